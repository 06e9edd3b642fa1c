"""A drill as data: which fault on which host, for how long, and what must be whole again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from kanae.drills.cluster.power import Direction
from kanae.drills.faults.protocol import FaultPlan, Kind
from kanae.drills.records import Stream
from kanae.errors import UsageError
from kanae.spec.models import Spec

HealKind = Literal["api", "host", "node", "redundancy"]

SINGLE_POINT: Final = "the balancer is a single point of failure"


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
    EVERY_CONTROL_PLANE = "all control-plane hosts"
    EVERY_ETCD = "all etcd hosts"
    MOST_ETCD = "a majority of the etcd hosts"

    @property
    def several(self) -> bool:
        """Whether it is more than one host, none of which can be named."""
        return self in _SEVERAL


_SEVERAL: Final = (
    Target.ALL,
    Target.EVERY_CONTROL_PLANE,
    Target.EVERY_ETCD,
    Target.MOST_ETCD,
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """hold: seconds the fault lasts at least (a proof may take longer). heals: what is timed.

    deadline: seconds for all of `heals`. proof: what is shown while the fault holds. outage: it
    takes the whole API away on purpose, so it always wants --accept-outage. steady, after: seconds
    of undisturbed workload before the fault and after everything is whole again. remedy: the fault
    destroys data for good, and what the cluster is restored from then: a backup, or what one of
    etcd's members still has.
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
    proof: Literal["", "deployment", "moved", "all-in-use"] = ""
    outage: bool = False
    steady: float = 15.0
    after: float = 15.0
    remedy: Literal["", "backup", "survivor"] = ""

    def takes_only_way(self, spec: Spec) -> bool:
        """Whether the fault takes the only way to the endpoint: only the healing is then judged."""
        return self.target is Target.BALANCER and spec.load_balancer.virtual_address is None

    def plan(self, hosts: tuple[str, ...]) -> FaultPlan:
        return FaultPlan(self.kind, hosts, self.hold, self.process, self.direction)

    def require_time(self, streams: Sequence[Stream], requests: float) -> None:
        """Raise UsageError when a part of the run is too short for so many requests a stream."""
        least = shortest(streams, requests)
        for option, seconds in (
            ("steady", self.steady), ("hold", self.hold), ("after", self.after),
        ):  # fmt: skip
            if seconds < least:
                raise UsageError(
                    f"{seconds:g} s are too short for {requests:g} requests in every stream:"
                    " the run would be void",
                    remedy=f"--{option} {math.ceil(least)}, or a shorter --period",
                )

    @property
    def wants_image(self) -> bool:
        """Whether it makes a Deployment."""
        return self.proof in ("deployment", "moved") or bool(self.remedy)

    @property
    def heals_itself(self) -> bool:
        """Nobody undoes it: the time to heal counts from the fault itself."""
        return self.kind in ("kill", "return", "none")


def shortest(streams: Sequence[Stream], requests: float) -> float:
    """Seconds in which every stream sends at least so many requests, wherever they begin; 0 when
    there is no stream of requests.
    """
    return max(
        (
            # One period more, as a part of a run does not end right before a request is due.
            stream.period * (math.ceil(requests / stream.lanes) + 1)
            for stream in streams
            if stream.kind != "watch"
        ),
        default=0.0,
    )
