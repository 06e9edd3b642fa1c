"""The one flow of everything that changes a cluster.

Survey, plan, check, get what is missing, ask; then, with the lease, survey and plan again where an
earlier run went on until now, execute, and do what comes after. What differs between apply,
reset and others is their `Procedure`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol

from kanae.artifacts.model import Artifact
from kanae.errors import ApiUnavailable
from kanae.execute.journal import new_run_id
from kanae.facts.model import Facts
from kanae.operations.artifacts import cached, lacking, obtain
from kanae.operations.console import Console
from kanae.operations.project import Project
from kanae.operations.survey import arches, survey
from kanae.plan.model import Plan
from kanae.spec.models import Spec
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet, FleetError

# Seconds for an API server to answer, as after a boot of all hosts, and between two looks.
PATIENCE, PAUSE = 180.0, 2.0
# A plan that was made without the API may bring it back; what is in the cluster is planned for
# then. More often it does not get there by itself.
_ROUNDS = 3


class Procedure(Protocol):
    """One way of changing a cluster.

    delivers: whether its steps deliver artifacts; those that are missing are then obtained first.
    """

    delivers: ClassVar[bool]

    @property
    def purpose(self) -> str:
        """For the journal; see `RunStarted`."""
        ...

    @property
    def skips_unreachable(self) -> bool:
        """Whether hosts that cannot be reached are left out, instead of ending it."""
        ...

    def plan(self, project: Project, facts: Facts, artifacts: Mapping[str, Artifact]) -> Plan:
        """Raises Refused for what kanae must not do. artifacts: those in the cache, by id."""
        ...

    def compared(self, project: Project, facts: Facts) -> bool:
        """Whether facts tell all that plans are made of. Others are planned from as far as they
        go, and looked at again."""
        ...

    async def gate(self, project: Project, facts: Facts, fleet: Fleet) -> None:
        """Raises CheckFailed, or another KanaeError, when the hosts are not fit for it."""
        ...

    def covers(self, agreed: Plan, now: Plan) -> bool:
        """Whether who agreed to one plan need not be asked again for the other."""
        ...

    async def after(self, project: Project, fleet: Fleet) -> None:
        """What comes after its steps, while the lease is still held."""
        ...


class Ending(StrEnum):
    NOTHING_TO_DO = "nothing to do"
    DECLINED = "declined"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Changed:
    """plan: the last one that was made, of `facts`. It was carried out when DONE, and may have been
    empty by then, where an earlier run had done all that was to do. log: the file with the journal
    of its run.
    """

    ending: Ending
    facts: Facts
    plan: Plan
    log: Path | None = None


async def change(
    project: Project,
    procedure: Procedure,
    console: Console,
    *,
    break_lease: bool = False,
    host_keys: HostKeys | None = None,
) -> Changed:
    """Change a cluster. May be interrupted at any time and called again.

    break_lease: take it from an operator who holds it. host_keys: see `Fleet`. Raises FleetError
    for hosts that cannot be reached, LeaseHeld, RunFailed when a step failed, ApiUnavailable where
    no API server answers that would have to tell of the cluster, and what the procedure, the
    artifacts' source or the console raises.
    """
    done: Changed | None = None
    for _ in range(_ROUNDS):
        now = await _once(project, procedure, console, break_lease, host_keys)
        if now.ending is not Ending.DONE:
            return done if done is not None and now.plan.empty else now
        if procedure.compared(project, now.facts):
            return now
        done = now
    raise _unavailable(project)


async def _once(
    project: Project,
    procedure: Procedure,
    console: Console,
    break_lease: bool,
    host_keys: HostKeys | None,
) -> Changed:
    run = new_run_id()
    async with Fleet(
        project.spec,
        run_id=run,
        password=console.password,
        tolerant=procedure.skips_unreachable,
        host_keys=host_keys,
    ) as fleet:
        facts = await _survey(project, procedure, fleet)
        artifacts = cached(project, arches(facts))
        plan = procedure.plan(project, facts, artifacts)
        if plan.empty and not procedure.compared(project, facts):
            facts = await _all_told(project, procedure, console, fleet)
            plan = procedure.plan(project, facts, artifacts)
        if plan.empty:
            return Changed(Ending.NOTHING_TO_DO, facts, plan)
        # Only now: a run that finds nothing to do must not wait for these imports.
        from kanae.execute.lease import hold
        from kanae.operations.carry_out import carry_out

        await procedure.gate(project, facts, fleet)
        if procedure.delivers and lacking(project, arches(facts), artifacts):
            artifacts = await asyncio.to_thread(_obtain, project, arches(facts), console)
            plan = procedure.plan(project, facts, artifacts)
        if not await console.decide(plan, again=False):
            return Changed(Ending.DECLINED, facts, plan)
        async with hold(_changed(project, facts), fleet, run, break_lease=break_lease) as inherited:
            if inherited:
                # Commands of an earlier run may have ended since the hosts were asked.
                agreed, facts = plan, await _survey(project, procedure, fleet)
                plan = procedure.plan(project, facts, artifacts)
                if not procedure.covers(agreed, plan) and not await console.decide(
                    plan, again=True
                ):
                    return Changed(Ending.DECLINED, facts, plan)
            log = await carry_out(project, fleet, plan, run, artifacts, console, procedure.purpose)
            await procedure.after(project, fleet)
    return Changed(Ending.DONE, facts, plan, log)


def _changed(project: Project, facts: Facts) -> Spec:
    """With the hosts that are leaving and are still this cluster's: they are changed too."""
    whole = project.former(project.known(facts)).spec
    hosts = {
        name: host
        for name, host in whole.hosts.items()
        if name in project.spec.hosts or name in facts.hosts
    }
    return whole.model_copy(update={"hosts": hosts})


async def _survey(project: Project, procedure: Procedure, fleet: Fleet) -> Facts:
    """Hosts that are leaving the cluster need not answer."""
    facts = await survey(project, fleet)
    lost = {host: why for host, why in facts.unreachable.items() if host in project.spec.hosts}
    if lost and not procedure.skips_unreachable:
        raise FleetError(lost)
    return facts


async def _all_told(
    project: Project, procedure: Procedure, console: Console, fleet: Fleet
) -> Facts:
    """Facts of a cluster whose API answers again. Raises ApiUnavailable when none does in time."""
    console.waiting("no API server answers yet; waiting for one, to compare what is in the cluster")
    end = time.monotonic() + PATIENCE
    while True:
        facts = await _survey(project, procedure, fleet)
        if procedure.compared(project, facts):
            return facts
        if time.monotonic() >= end:
            raise _unavailable(project)
        await asyncio.sleep(PAUSE)


def _unavailable(project: Project) -> ApiUnavailable:
    return ApiUnavailable(
        f"no API server of {project.spec.name} answers: its hosts are as the spec says, but nodes "
        "and objects in the cluster could not be compared",
        remedy=f"kanae status {project.file} tells what is down; `crictl ps -a` and `journalctl -u "
        "kubelet` on a control-plane host tell why; then apply again",
    )


def _obtain(project: Project, wanted: frozenset[str], console: Console) -> Mapping[str, Artifact]:
    with console.obtaining() as progress:
        return obtain(project, wanted, progress)
