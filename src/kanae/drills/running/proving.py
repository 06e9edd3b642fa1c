"""What a drill shows beside its figures while the fault holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kanae.drills.records import Proof
from kanae.drills.running.ejections import ejections
from kanae.drills.running.proofs import Deployments
from kanae.drills.running.setting import Setting
from kanae.errors import CheckFailed


async def place(setting: Setting, deployments: Deployments) -> None:
    """A pod on the host that is about to die. Raises CheckFailed when it does not get there."""
    target = setting.hosts[0]
    await deployments.create((), prefer=target)
    others = tuple(host for host in setting.tools.spec.nodes if host != target)
    if await deployments.wait(others, 300.0) is None:
        raise CheckFailed(
            f"no pod became available on {target}",
            remedy="name an image that its nodes can have: --image",
        )


async def prove(
    setting: Setting, deployments: Deployments, begun: float, now: Callable[[], float]
) -> Proof:
    """Of a scenario that has one. begun: when the fault did; now: in the history's time too."""
    scenario = setting.scenario
    if scenario.proof == "deployment":
        shown = await deployments.show(setting.hosts)
        return Proof(now(), "deployment", shown.ok, shown.seconds, shown.detail)
    if scenario.proof == "all-in-use":
        await asyncio.sleep(max(0.0, begun + scenario.hold - now()))
        seconds = now() - begun
        found = await ejections(setting.tools, seconds)
        detail = "; ".join(found) or "no balancer took a server out of use"
        return Proof(now(), "all-in-use", not found, seconds, detail)
    pod = await deployments.wait(setting.hosts, 400.0)
    seconds = now() - begun
    detail = "the pod runs on another node" if pod else "the pod has not moved"
    return Proof(now(), "moved", pod is not None, seconds, detail)
