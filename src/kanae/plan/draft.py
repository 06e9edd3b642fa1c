"""A plan in the making: what its parts share, and what a later part waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kanae.plan.builder import Builder, HostBuilder
from kanae.plan.rolling import Rolling
from kanae.plan.view import View

StepId = str | None  # None: nothing is to be done, so nothing has to be waited for


@dataclass(slots=True)
class Milestones:
    """Steps that other parts wait for. By host where every host has its own.

    upgrading: hosts have still to be moved to the release of the spec. delivered: everything of it
    is on every host, and etcd's data is saved. programs: those are there by which images are
    loaded, and all that comes before them. patched: kubeadm's patches are there, and all that comes
    before them. let_go: no node leads pods to a balancer that goes.
    """

    marked: dict[str, StepId] = field(default_factory=dict[str, StepId])
    programs: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    certificates: dict[str, StepId] = field(default_factory=dict[str, StepId])
    upgrading: bool = False
    delivered: list[StepId] = field(default_factory=list[StepId])
    quorum: StepId = None
    patched: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    balancers: list[str] = field(default_factory=list[str])
    init: StepId = None
    in_cluster: StepId = None
    let_go: list[StepId] = field(default_factory=list[StepId])
    reconfigured: list[str] = field(default_factory=list[str])
    led: dict[str, str] = field(default_factory=dict[str, str])
    registration: StepId = None
    left: list[str] = field(default_factory=list[str])
    joins: dict[str, str] = field(default_factory=dict[str, str])
    network: StepId = None
    addons: list[StepId] = field(default_factory=list[StepId])


@dataclass(frozen=True, slots=True)
class Draft:
    """hosts: those that can be reached. via: a control-plane host on which kubectl runs, one whose
    API server is ready where there is one.

    first: the host of `kubeadm init` while there is no cluster yet, else "".
    """

    view: View
    builder: Builder
    hosts: Mapping[str, HostBuilder]
    rolling: Rolling
    via: str
    first: str
    at: Milestones = field(default_factory=Milestones)

    @property
    def reached(self) -> list[StepId]:
        """What everything waits for that asks the API by the endpoint, as kubeadm and kubectl do:
        a balancer may come in the place of the last one."""
        return [self.at.init, *self.at.balancers, *self.at.reconfigured]

    def prepared(self, host: str) -> list[StepId]:
        """What everything of kubeadm on a host waits for: the host itself, and etcd."""
        last = self.hosts[host].last if host in self.hosts else ()
        return [*last, self.at.certificates.get(host), self.at.quorum]
