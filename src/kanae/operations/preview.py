"""What apply would change, without changing anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from kanae.errors import Refused
from kanae.operations.artifacts import cached
from kanae.operations.project import Project
from kanae.operations.survey import arches, survey
from kanae.plan.model import Plan
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet, FleetError


@dataclass(frozen=True, slots=True)
class Preview:
    """lost: names the hosts that cannot be reached, if any; the plan is then that of the others,
    and its notes say so."""

    plan: Plan
    lost: FleetError | None


async def preview(
    project: Project, password: Callable[[], str | None], host_keys: HostKeys | None = None
) -> Preview:
    """Nothing is fetched. Raises Refused, except where that may come of hosts that are not known:
    then their FleetError. host_keys: see `Fleet`.
    """
    async with Fleet(project.spec, password=password, tolerant=True, host_keys=host_keys) as fleet:
        facts = await survey(project, fleet)
    away = {host: why for host, why in facts.unreachable.items() if host in project.spec.hosts}
    lost = FleetError(away) if away else None
    try:
        plan = project.plan(facts, cached(project, arches(facts)))
        unseen = [f"{host} is left out: it cannot be reached" for host in away]
        return Preview(replace(plan, notes=(*plan.notes, *unseen)), lost)
    except Refused as refused:
        if lost is not None:
            raise lost from refused
        raise
