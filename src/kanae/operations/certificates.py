"""Certificates: how they are, and issued anew."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from kanae.artifacts.model import Artifact
from kanae.errors import HostError, UsageError
from kanae.facts.model import Facts
from kanae.operations.project import Project
from kanae.operations.survey import ask
from kanae.plan import certificates as listed
from kanae.plan import clients
from kanae.plan.model import Plan
from kanae.plan.planner import renew
from kanae.resources.model import merge
from kanae.spec.models import Spec
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet
from kanae.verify.certificates import CertificateStatus, KeyStatus, certificates, keys


@dataclass(frozen=True, slots=True)
class Certified:
    """unreachable: by host, why nothing is known of it."""

    certificates: tuple[CertificateStatus, ...]
    keys: tuple[KeyStatus, ...]
    unreachable: Mapping[str, HostError]


async def status(
    project: Project, password: Callable[[], str | None], host_keys: HostKeys | None = None
) -> Certified:
    """Needs no API. Hosts that cannot be reached are in it, with their error. host_keys: see
    `Fleet`."""
    spec = project.spec
    async with Fleet(spec, password=password, tolerant=True, host_keys=host_keys) as fleet:
        queries = {
            host: merge([listed.query(spec, host), clients.query(spec, host)]) for host in fleet
        }
        facts = await ask(fleet, queries)
    return Certified(certificates(spec, facts), keys(spec, facts), facts.unreachable)


@dataclass(frozen=True, slots=True)
class Renew:
    """A `Procedure`. names: of the certificates that are issued anew, whatever is left of them."""

    names: frozenset[str]
    purpose: str = ""
    delivers: ClassVar[bool] = False

    @property
    def skips_unreachable(self) -> bool:
        """What is renewed on one host is to be renewed on all."""
        return False

    def plan(self, project: Project, facts: Facts, artifacts: Mapping[str, Artifact]) -> Plan:
        view = project.view(facts, artifacts)
        return renew(replace(view, site=replace(view.site, renewing=self.names)))

    def compared(self, project: Project, facts: Facts) -> bool:
        """Hosts tell all that there is to know."""
        return True

    async def gate(self, project: Project, facts: Facts, fleet: Fleet) -> None:
        """Nobody joins."""

    def covers(self, agreed: Plan, now: Plan) -> bool:
        return agreed == now

    async def after(self, project: Project, fleet: Fleet) -> None:
        """The operator's own come from admin.conf."""
        from kanae.operations.kubeconfig import keep

        await keep(project.spec, fleet)


def chosen(spec: Spec, names: Collection[str]) -> frozenset[str]:
    """Those that are named, else all but kubelets' own, which kubelets renew. Raises UsageError for
    a name that no certificate of the cluster has."""
    there = listed.names(spec)
    for name in names:
        if name not in there:
            raise UsageError(
                f"no certificate of {spec.name} that can be renewed is called {name!r}",
                remedy=f"they are: {', '.join(there)}",
            )
    return frozenset(names) or frozenset(there) - {listed.KUBELET}
