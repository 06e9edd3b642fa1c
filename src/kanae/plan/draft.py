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
    """Steps that other parts wait for. By host where every host has its own. patched: kubeadm's
    patches are there, and all that comes before them. let_go: no node leads pods to a balancer that
    goes. gathered: by authority, those that are in the run's memory."""

    marked: dict[str, StepId] = field(default_factory=dict[str, StepId])
    gathered: dict[str, str] = field(default_factory=dict[str, str])
    certificates: dict[str, StepId] = field(default_factory=dict[str, StepId])
    quorum: StepId = None
    patched: dict[str, StepId] = field(default_factory=dict[str, StepId])
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
        last = self.hosts[host].last if host in self.hosts else None
        return [last, self.at.certificates.get(host), self.at.quorum]
