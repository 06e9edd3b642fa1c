"""What is ordered of drills, and whom they ask and tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kanae.drills.probing.workload import Load
from kanae.drills.scenarios.scenario import Scenario
from kanae.transport.acceptance import HostKeys


@dataclass(frozen=True, slots=True)
class DrillOrder:
    """What is to be run. target: the host of the fault, None for one chosen. prober: the host to
    probe from, None for this machine. inside: the node to look from inside through, None for one
    chosen; look_inside: whether to. limits_file: TOML, instead of the built-in thresholds.

    image: for drills that make a Deployment, None for one that the nodes have. accept_outage: the
    users of this cluster may lose it. break_lease: take it from an operator who holds it.
    host_keys: see `Fleet`. identity_file: private keys that open a backup which a drill makes of a
    cluster with recipients.
    """

    scenario: Scenario
    load: Load
    target: str | None = None
    times: int = 1
    prober: str | None = None
    inside: str | None = None
    look_inside: bool = True
    limits_file: Path | None = None
    image: str | None = None
    accept_outage: bool = False
    break_lease: bool = False
    host_keys: HostKeys | None = None
    identity_file: Path | None = None


class DrillConsole(Protocol):
    """Whom drills ask and tell."""

    def password(self) -> str | None:
        """For sudo, the same on all hosts that want one; None when nobody can be asked."""
        ...

    def say(self, line: str) -> None: ...

    async def decide(self, order: DrillOrder, hosts: Sequence[str]) -> bool:
        """Whether these hosts may be broken. hosts: of the first run; other runs may take others of
        their kind."""
        ...
