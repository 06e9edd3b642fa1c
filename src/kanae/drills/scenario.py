"""A drill as data: which fault on which host, for how long, and what must be whole again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from kanae.drills.faults.protocol import FaultPlan, Kind
from kanae.drills.power import Direction

HealKind = Literal["host", "node", "redundancy"]


class Target(StrEnum):
    """How the hosts of a fault are chosen when the operator names none."""

    NONE = "none"
    CONTROL_PLANE = "a control-plane host"
    ETCD = "an etcd host"
    ETCD_LEADER = "the host of etcd's leader"
    ETCD_ONLY = "an etcd host that is no control-plane host"
    BALANCER = "the balancer that holds the endpoint's address"
    WORKER = "a worker"
    ALL = "all hosts"


@dataclass(frozen=True, slots=True)
class Scenario:
    """hold: seconds the fault lasts at least (a proof may take longer). heals: what is timed.

    deadline: seconds for all of `heals`. proof: what is shown while the fault holds. outage: it
    takes the whole API away on purpose, so it always wants --accept-outage. steady, after: seconds
    of undisturbed workload before the fault and after everything is whole again.
    """

    name: str
    title: str
    kind: Kind
    target: Target
    hold: float
    heals: tuple[HealKind, ...]
    deadline: float = 300.0
    process: str = ""
    direction: Direction = Direction.BOTH
    proof: Literal["", "deployment", "moved"] = ""
    outage: bool = False
    steady: float = 15.0
    after: float = 15.0

    def plan(self, hosts: tuple[str, ...]) -> FaultPlan:
        return FaultPlan(self.kind, hosts, self.hold, self.process, self.direction)

    @property
    def heals_itself(self) -> bool:
        """Nobody undoes it: the time to heal counts from the fault itself."""
        return self.kind in ("kill", "return", "none")
