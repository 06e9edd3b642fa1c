"""What a run needs to know before it begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kanae.drills.faults.protocol import Tools
from kanae.drills.judging.thresholds import only_healing
from kanae.drills.launching.place import Here, Place
from kanae.drills.launching.way import Way
from kanae.drills.probing.client import Credentials, Route
from kanae.drills.probing.workload import Load, ProbeConfig
from kanae.drills.records import Header, Stream
from kanae.drills.running.proofs import Image
from kanae.drills.running.remedy import Remedy
from kanae.drills.scenarios.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Setting:
    """All that a run needs to know. folder: made for this run alone. problems: `safety.problems`.

    accepted: the operator has accepted an outage in words: what was not whole before is then noted
    and the run is judged all the same (it cannot pass, as it is not whole after it either).
    limits: metric -> threshold; leader_limits: those that apply instead when the fault takes the
    host of etcd's leader; validity: see thresholds.toml. say: shows a line to the operator. place:
    where the prober runs. way: into the cluster's own network, None when nobody looks from there.
    kubeconfigs: client host -> path of its kubeconfig. remedy: restores the cluster after a fault
    that destroys data, None where nothing is destroyed.
    """

    run: str
    scenario: Scenario
    hosts: tuple[str, ...]
    folder: Path
    digest: str
    versions: Mapping[str, str]
    limits: Mapping[str, float]
    validity: Mapping[str, float]
    load: Load
    routes: tuple[Route, ...]
    credentials: Credentials
    image: Image
    tools: Tools
    problems: tuple[str, ...]
    accepted: bool
    say: Callable[[str], None]
    deadline: float = 10.0
    place: Place = field(default_factory=Here)
    way: Way | None = None
    leader_limits: Mapping[str, float] = field(default_factory=dict[str, float])
    kubeconfigs: Mapping[str, str] = field(default_factory=dict[str, str])
    remedy: Remedy | None = None

    @property
    def namespace(self) -> str:
        return f"kanae-drill-{self.run}"

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Of the whole workload."""
        ends = () if self.way is None else self.way.ends
        return self.load.streams((*self.routes, *ends))

    @property
    def single_balancer(self) -> bool:
        """Whether the fault takes the only way to the endpoint."""
        return self.scenario.takes_only_way(self.tools.spec)

    def probing(self, history: Path, zero: float) -> ProbeConfig:
        """What a prober on this machine is told. zero: see ProbeConfig."""
        return ProbeConfig(
            history=str(history),
            zero=zero,
            namespace=self.namespace,
            routes=self.routes,
            streams=self.streams,
            credentials=self.credentials,
            deadline=self.deadline,
        )

    def header(self, zero: float) -> Header:
        """What its history begins with. zero: Unix time at the zero of the history's clock."""
        spec = self.tools.spec
        judged = only_healing if self.single_balancer else dict[str, float]
        return Header(
            run=self.run,
            drill=self.scenario.name,
            cluster=spec.name,
            digest=self.digest,
            versions=self.versions,
            balancer=str(spec.load_balancer.kind),
            targets=self.hosts,
            zero=zero,
            streams=self.streams,
            deadline=self.deadline,
            limits=judged(self.limits),
            validity=self.validity,
            prober=self.place.host,
            fault=self.scenario.kind,
            leader_limits=judged(self.leader_limits),
            single_balancer=self.single_balancer,
            inside="" if self.way is None else self.way.host,
        )
