"""The one flow of everything that changes a cluster.

Survey, plan, check, get what is missing, ask; then, with the lease, survey and plan again where an
earlier run went on until now, execute, and do what comes after. What differs between apply,
reset and others is their `Procedure`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from kanae.artifacts.model import Artifact
from kanae.execute.journal import new_run_id
from kanae.facts.model import Facts
from kanae.operations.artifacts import cached, lacking, obtain
from kanae.operations.console import Console
from kanae.operations.project import Project
from kanae.operations.survey import arches, survey
from kanae.plan.model import Plan
from kanae.transport.fleet import Fleet, FleetError


class Procedure(Protocol):
    """One way of changing a cluster.

    delivers: whether its steps deliver artifacts; those that are missing are then obtained first.
    """

    delivers: ClassVar[bool]

    @property
    def skips_unreachable(self) -> bool:
        """Whether hosts that cannot be reached are left out, instead of ending it."""
        ...

    def plan(self, project: Project, facts: Facts, artifacts: Mapping[str, Artifact]) -> Plan:
        """Raises Refused for what kanae must not do. artifacts: those in the cache, by id."""
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
    empty by then, where an earlier run had done all that was to do.
    """

    ending: Ending
    facts: Facts
    plan: Plan


async def change(
    project: Project, procedure: Procedure, console: Console, *, break_lease: bool = False
) -> Changed:
    """Change a cluster. May be interrupted at any time and called again.

    break_lease: take it from an operator who holds it. Raises FleetError for hosts that cannot be
    reached, LeaseHeld, RunFailed when a step failed, and what the procedure, the artifacts' source
    or the console raises.
    """
    run = new_run_id()
    async with Fleet(
        project.spec,
        run_id=run,
        password=console.password,
        tolerant=procedure.skips_unreachable,
    ) as fleet:
        facts = await _survey(project, procedure, fleet)
        artifacts = cached(project, arches(facts))
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
        async with hold(project.spec, fleet, run, break_lease=break_lease) as inherited:
            if inherited:
                # Commands of an earlier run may have ended since the hosts were asked.
                agreed, facts = plan, await _survey(project, procedure, fleet)
                plan = procedure.plan(project, facts, artifacts)
                if not procedure.covers(agreed, plan) and not await console.decide(
                    plan, again=True
                ):
                    return Changed(Ending.DECLINED, facts, plan)
            await carry_out(project, fleet, plan, run, artifacts, console)
            await procedure.after(project, fleet)
    return Changed(Ending.DONE, facts, plan)


async def _survey(project: Project, procedure: Procedure, fleet: Fleet) -> Facts:
    facts = await survey(project, fleet)
    if facts.unreachable and not procedure.skips_unreachable:
        raise FleetError(facts.unreachable)
    return facts


def _obtain(project: Project, wanted: frozenset[str], console: Console) -> Mapping[str, Artifact]:
    with console.obtaining() as progress:
        return obtain(project, wanted, progress)
