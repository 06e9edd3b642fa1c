"""Moving a host to another version of Kubernetes."""

from __future__ import annotations

import json
from typing import cast

from kanae.execute.actions import guarded
from kanae.execute.actions.kubeadm import REMEDIES
from kanae.execute.actions.nodes import uncordon
from kanae.execute.conditions import Condition, Seen, poll
from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.execute.scripts import kubectl, nodes, upgrade
from kanae.facts.nodes import cordoned_by_us, kubelet_version, readiness
from kanae.facts.workloads import DNS, serving
from kanae.layout import marks
from kanae.plan.upgrade_actions import AwaitRollout, KubeadmUpgrade, ReturnNode
from kanae.transport.protocol import Transport, must

# Words of kubeadm's output -> what to do, before those that are the same for all of its commands.
_REMEDIES = {
    "kubeadm has tried to recover": "the host's control plane is what it was: `crictl ps -a` and "
    "`journalctl -u kubelet` there say why a new pod did not come up; then apply again",
    "NotReady control-planes": "bring every control-plane node up first (kanae status), then apply "
    "again",
    "did not complete in": "no node could start a pod for kubeadm's check: `kubectl -n kube-system "
    "describe pods -l batch.kubernetes.io/job-name` says why; then apply again",
    **REMEDIES,
}


async def control_plane(ctx: StepContext) -> Outcome:
    action, transport = ctx.action(KubeadmUpgrade), ctx.transport()
    done = await transport.run(
        upgrade.control_plane(action, ctx.left_on_host()),
        stdin=action.config.encode(),
        timeout=ctx.left(),
    )
    verb = "apply" if action.first else "node"
    guarded.raised(transport, done, f"kubeadm upgrade {verb}", _REMEDIES, upgrade.UPGRADE)
    return Outcome.CHANGED


async def moved(ctx: StepContext) -> bool | None:
    """Whether an upgrade whose connection was lost took effect."""
    return await guarded.took_effect(
        ctx.transport(),
        marks.JOINED,
        ctx.left_on_host(),
        ctx.action(KubeadmUpgrade).fingerprint,
    )


async def return_node(ctx: StepContext) -> Outcome:
    action, transport = ctx.action(ReturnNode), ctx.transport()
    name = action.node

    async def ready() -> Seen:
        node = await _node(transport, name)
        version, seen = kubelet_version(node), readiness(node)
        if version != action.version:
            return Seen(False, f"its kubelet is {version or 'not known'}")
        return Seen(seen.ready, f"not Ready: {seen.reason}")

    await poll(
        Condition(
            transport.host,
            f"{name} to be Ready with kubelet {action.version}",
            ready,
            remedy=f"`kubectl describe node {name}`, and `journalctl -u kubelet` there, say what "
            "is missing; it takes no pods until it has returned: apply again",
        ),
        timeout=ctx.left(),
        interval=0.5,
        progress=ctx.progress,
    )
    ours = cordoned_by_us(await _node(transport, name))
    if ours:
        await uncordon(transport, name)

    async def resolves() -> Seen:
        text = await must(transport, kubectl.dns(), command="kubectl get deployment coredns")
        if not text.strip():
            return Seen(True)
        found = serving(DNS, cast("dict[str, object]", json.loads(text)))
        available = found.available if found is not None else 0
        return Seen(available >= action.dns, f"{available} of {action.dns} CoreDNS pods serve")

    await poll(
        Condition(
            transport.host,
            "cluster DNS to serve as before",
            resolves,
            remedy="`kubectl -n kube-system describe pods -l k8s-app=kube-dns` says why",
        ),
        timeout=ctx.left(),
        interval=0.5,
        progress=ctx.progress,
    )
    return Outcome.CHANGED if ours else Outcome.OK


async def _node(transport: Transport, name: str) -> dict[str, object]:
    text = await must(transport, nodes.get(name), command=f"kubectl get node {name}", timeout=15)
    return cast("dict[str, object]", json.loads(text or b"{}"))


async def await_rollout(ctx: StepContext) -> Outcome:
    """kubectl waits itself, and says every now and then how far it is."""
    for name in ctx.action(AwaitRollout).names:
        ctx.progress(f"waiting for the pods of {name}")
        await must(
            ctx.transport(),
            kubectl.rolled_out(name, ctx.left_on_host()),
            command=f"kubectl rollout status {name}",
            timeout=ctx.left(),
            remedy=f"`kubectl -n kube-system describe {name}` says which pod does not come up",
        )
    return Outcome.OK
