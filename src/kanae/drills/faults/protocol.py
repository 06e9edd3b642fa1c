"""What a fault is, and what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import TypeAdapter

from kanae.drills.cluster.power import Direction, Power
from kanae.spec.models import Spec
from kanae.transport.protocol import Transport
from kanae.transport.settings import reach_of
from kanae.transport.target import resolve

Kind = Literal["none", "cut", "off", "return", "kill", "partition", "pause", "wipe", "blank"]


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A fault as data: what the recovery record holds. hold: seconds until the undo.

    process: exact name, for kill. direction: for partition.
    """

    kind: Kind
    hosts: tuple[str, ...]
    hold: float
    process: str = ""
    direction: Direction = Direction.BOTH

    def __str__(self) -> str:
        what = {"kill": f"kill {self.process}", "partition": f"partition ({self.direction})"}
        return f"{what.get(self.kind, self.kind)} on {', '.join(self.hosts) or 'nothing'}"


PLAN: TypeAdapter[FaultPlan] = TypeAdapter(FaultPlan)


@dataclass(frozen=True, slots=True)
class Sign:
    """One way in which the fault could be seen, and whether it was."""

    name: str
    host: str
    took: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Tools:
    """transport: by host name; raises ConnectError."""

    spec: Spec
    power: Power
    transport: Callable[[str], Transport]

    def address(self, host: str) -> str:
        """Where this machine reaches the host, as its connections do."""
        return self.ssh(host)[0]

    def ssh(self, host: str) -> tuple[str, int]:
        """Address and port at which the operator reaches its sshd, ssh_config included. Raises
        ConnectError when that is unusable."""
        target = resolve(reach_of(self.spec, host))
        # Behind a jump host, the jump host's word for it may mean nothing here.
        address = target.address if target.jump is None else str(self.spec.hosts[host].address)
        return address, target.port


class Fault(Protocol):
    """One fault. All errors are KanaeError kinds."""

    def check_safe(self) -> None:
        """Raise Refused when it could not be injected or not be undone with what is there."""
        ...

    async def prepare(self) -> None:
        """What comes before the measurement; keeps what `signs` will compare with."""
        ...

    async def inject(self) -> None: ...

    async def signs(self) -> tuple[Sign, ...]:
        """While it holds: did it take effect?"""
        ...

    async def undo(self) -> None:
        """Repeatable, also by another process than the one that injected it."""
        ...

    async def signs_after(self) -> tuple[Sign, ...]:
        """What can only be seen once the host is back."""
        ...
