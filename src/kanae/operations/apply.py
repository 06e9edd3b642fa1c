"""Making the hosts into the cluster of the spec, or back into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kanae.artifacts.model import Artifact
from kanae.facts.model import Facts
from kanae.operations.project import Project
from kanae.plan.model import Plan
from kanae.transport.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Apply:
    """A `Procedure`. ignored: ids of checks that need not pass. off: hosts that leave and have no
    power, as the operator says. replacing: it is one half of replacing hosts."""

    ignored: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    replacing: bool = False
    purpose: str = ""
    delivers: ClassVar[bool] = True

    @property
    def skips_unreachable(self) -> bool:
        """A plan without some hosts would be of another cluster."""
        return False

    def plan(self, project: Project, facts: Facts, artifacts: Mapping[str, Artifact]) -> Plan:
        return project.plan(facts, artifacts, self.off, replacing=self.replacing)

    def compared(self, project: Project, facts: Facts) -> bool:
        return not project.view(facts, {}).unanswered

    # What follows is imported only when there is something to do.

    async def gate(self, project: Project, facts: Facts, fleet: Fleet) -> None:
        from kanae.plan.versions import upgrading
        from kanae.verify.gate import require

        view = project.view(facts, {})
        upgrade = upgrading(view) and not view.unanswered
        await require(project.spec, facts, fleet, self.ignored, upgrade=upgrade)

    def covers(self, agreed: Plan, now: Plan) -> bool:
        return agreed == now

    async def after(self, project: Project, fleet: Fleet) -> None:
        """Keep the administrator's kubeconfig with the cluster's state."""
        from kanae.operations.kubeconfig import keep

        await keep(project.spec, fleet)
