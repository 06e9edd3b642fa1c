"""What planning looks at: the spec with what belongs to it, the facts, questions asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from kanae.artifacts.catalogue import Release
from kanae.artifacts.model import Artifact, LocalArchive
from kanae.facts.model import ApiFact, EtcdMember, Facts, HostBase, HostFacts
from kanae.layout import marks
from kanae.plan.membership import (
    Known,
    KnownHost,
    former,
    known,
    leaving,
    without,
)
from kanae.plan.saved import Saved
from kanae.spec.models import Role, Spec


@dataclass(frozen=True, slots=True)
class Site:
    """All that is known of a cluster without asking a host.

    artifacts: those in the cache, by Artifact.id; one that is missing prints as not yet had.
    manifests: the documents of the pod network, and of manifests that the spec names.
    off: hosts without power, as the operator says. away: hosts that leave to be replaced; one that
    has left before and came back is not remembered. replacing: this is about hosts that are
    replaced; others that have left and came back are passed over, not refused. backup: the cluster
    is built again with it, since nothing else is left of its control plane. renewing: names of
    certificates that are issued anew whatever is left of them, and no others; None: those whose
    end comes near.
    """

    spec: Spec
    release: Release
    artifacts: Mapping[str, Artifact]
    archives: tuple[LocalArchive, ...] = ()
    manifests: tuple[Mapping[str, object], ...] = ()
    off: frozenset[str] = frozenset()
    away: tuple[KnownHost, ...] = ()
    replacing: bool = False
    backup: Saved | None = None
    renewing: frozenset[str] | None = None


@dataclass(frozen=True, eq=False)
class View:
    site: Site
    facts: Facts

    @property
    def spec(self) -> Spec:
        return self.site.spec

    @cached_property
    def known(self) -> Known:
        """What the cluster remembers of itself."""
        told, backup = known(self.spec, self.facts, self.site.away), self.site.backup
        return told if told.identity or backup is None else replace(told, identity=backup.identity)

    @cached_property
    def leaving(self) -> tuple[KnownHost, ...]:
        """Hosts of the cluster that the spec does not name any more."""
        return leaving(self.spec, self.known)

    @cached_property
    def former(self) -> View:
        """The same with the hosts that are leaving still in the spec."""
        return View(replace(self.site, spec=former(self.spec, self.known)), self.facts)

    def passing_over(self, hosts: Iterable[str]) -> View:
        """The same without some hosts of the spec."""
        return View(replace(self.site, spec=without(self.spec, *hosts)), self.facts)

    def still_ours(self, host: str) -> bool:
        """Whether a host that is leaving answers, and is this cluster's (see `recognized`)."""
        return host in self.facts.hosts

    @cached_property
    def members(self) -> Mapping[str, EtcdMember]:
        """etcd's members by peer URL, as the one says that knows most; empty where none answers."""
        told = [facts.etcd for facts in self.facts.hosts.values() if facts.etcd is not None]
        latest = max(told, key=lambda fact: fact.raft_index, default=None)
        listed = latest.members if latest is not None else ()
        return {url: member for member in listed for url in member.peer_urls}

    def host(self, name: str) -> HostFacts:
        return self.facts.hosts[name]

    def base(self, name: str) -> HostBase:
        return self.facts.hosts[name].base

    def mark(self, host: str, mark: str) -> str | None:
        """A record on a host; None when there is none or the host cannot be reached."""
        facts = self.facts.hosts.get(host)
        return None if facts is None else facts.marks.get(mark)

    def joined(self, host: str) -> bool:
        """Whether kubeadm init or join has succeeded there."""
        return self.mark(host, marks.JOINED) is not None

    def joins(self, host: str) -> bool:
        """Whether a control-plane host is still to join a cluster that there is."""
        there = bool(self.joined_control_planes)
        return there and host in self.reachable and not self.joined(host)

    def active(self, host: str, unit: str) -> bool:
        """Whether a unit that was asked for runs there."""
        fact = self.host(host).units.get(unit)
        return fact is not None and fact.active == "active"

    def api_ready(self, host: str) -> bool:
        """Whether an API server of this cluster serves there."""
        api = self.host(host).api
        return host in self.joined_control_planes and api is not None and api.ready

    @cached_property
    def reachable(self) -> tuple[str, ...]:
        return tuple(host for host in self.spec.hosts if host in self.facts.hosts)

    @property
    def control_planes(self) -> tuple[str, ...]:
        return self.spec.having(Role.CONTROL_PLANE)

    @cached_property
    def joined_control_planes(self) -> tuple[str, ...]:
        """Any of them can serve for the others; whether it lives now, the facts of it tell."""
        return tuple(host for host in self.control_planes if self.joined(host))

    @property
    def api(self) -> ApiFact | None:
        return self.facts.api

    @property
    def unanswered(self) -> bool:
        """Whether there is a cluster of which no API server answers: what is in it is then not
        compared."""
        return self.api is None and bool(self.joined_control_planes)
