"""Taking a cluster off its hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kanae.artifacts.model import Artifact
from kanae.facts.model import Facts
from kanae.operations.kubeconfig import forget
from kanae.operations.project import Project
from kanae.plan.model import Plan
from kanae.plan.reset import reset
from kanae.transport.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Reset:
    """A `Procedure`. keep_artifacts: leave binaries, container runtime and images in place.

    identity: of the cluster that is meant, where no control-plane host tells it any more.
    """

    keep_artifacts: bool = False
    skips_unreachable: bool = False
    identity: str = ""
    purpose: str = ""
    delivers: ClassVar[bool] = False

    def plan(self, project: Project, facts: Facts, artifacts: Mapping[str, Artifact]) -> Plan:
        view = project.view(facts, artifacts)
        return reset(view, keep_artifacts=self.keep_artifacts, identity=self.identity)

    def compared(self, project: Project, facts: Facts) -> bool:
        """What is in the cluster goes with it."""
        return True

    async def gate(self, project: Project, facts: Facts, fleet: Fleet) -> None:
        """A cluster may be taken off any host."""

    def covers(self, agreed: Plan, now: Plan) -> bool:
        """The whole cluster was agreed to: an earlier run may have made more hosts its since."""
        return True

    async def after(self, project: Project, fleet: Fleet) -> None:
        forget(project.spec)
