"""Checks and what they find. Values only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kanae.facts.model import Facts, HostFacts
from kanae.facts.probe import ProbeFacts
from kanae.facts.upgrading import Upgrading
from kanae.layout import marks
from kanae.plan.membership import named_after
from kanae.spec.models import Role, Spec
from kanae.verify.traffic import Tried


class Severity(StrEnum):
    """error: must be put right first. warning: works, but worse or not for long. info: kanae has
    seen it and handles it."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """check: id of the check. host: None when it is about the cluster. evidence: what was seen.
    remedy: what to do, "" when there is nothing to do."""

    check: str
    severity: Severity
    host: str | None
    evidence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What checks look at. probes: of hosts that were probed actively, before they join.
    missing_artifacts: ids of artifacts that are not stored and that no source has. tried: what
    hosts need of each other, from or to those that are bare. upgrading: what the cluster tells that
    may stand in an upgrade's way; None where none is asked about."""

    spec: Spec
    facts: Facts
    probes: Mapping[str, ProbeFacts] = field(default_factory=dict[str, ProbeFacts])
    missing_artifacts: tuple[str, ...] = ()
    tried: Tried = field(default_factory=Tried)
    upgrading: Upgrading | None = None

    def hosts(self, *roles: Role) -> Iterator[tuple[str, HostFacts]]:
        """Hosts that answered, in the order of the spec; of these roles, or all."""
        wanted = self.spec.having(*roles) if roles else tuple(self.spec.hosts)
        for host in wanted:
            if host in self.facts.hosts:
                yield host, self.facts.hosts[host]

    def nodes(self) -> Iterator[tuple[str, HostFacts]]:
        return self.hosts(Role.CONTROL_PLANE, Role.WORKER)

    def etcd_hosts(self) -> Iterator[tuple[str, HostFacts]]:
        return self.hosts(self.spec.etcd_role)

    def ours(self, host: str) -> bool:
        """Whether the host carries this cluster's mark: an apply of it has changed the host."""
        return named_after(self.spec, self.facts.hosts[host])

    def joined(self, host: str) -> bool:
        return self.ours(host) and marks.JOINED in self.facts.hosts[host].marks


@dataclass(frozen=True, slots=True)
class Check:
    """id: what `--ignore` takes. looks: one line of what is compared with what."""

    id: str
    looks: str
    run: Callable[[Subject], Iterable[Finding]]


def error(check: str, host: str | None, evidence: str, remedy: str) -> Finding:
    return Finding(check, Severity.ERROR, host, evidence, remedy)


def warning(check: str, host: str | None, evidence: str, remedy: str = "") -> Finding:
    return Finding(check, Severity.WARNING, host, evidence, remedy)


def info(check: str, host: str | None, evidence: str) -> Finding:
    return Finding(check, Severity.INFO, host, evidence)
