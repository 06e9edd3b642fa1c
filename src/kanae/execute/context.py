"""What a handler gets to execute a step with, and what it returns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from kanae.execute.events import Outcome
from kanae.execute.values import Values
from kanae.plan.model import Action, Step
from kanae.transport.protocol import Transport

D = TypeVar("D", bound=Action)

# Seconds of a step that are kept back from what it waits for, and the most of its time that they
# may be. The end of what is waited for says why and what to do about it; the end of the step says
# only that it took too long. A command that is late is ended on its host, a round trip away and
# with patience (`kanae.transport.ssh.GRACE`), before it is told.
_RESERVE, _RESERVED = 30.0, 0.1
# The same between a command and a program that it runs under a limit of that program's own:
# `timeout --kill-after=10`, and the way back.
_WITHIN, _SHARE = 15.0, 0.25


class Hosts(Protocol):
    """The hosts that a run works on, by name, each connected; `kanae.transport.fleet.Fleet` is
    one."""

    def __getitem__(self, host: str, /) -> Transport: ...

    async def recover(self, host: str, *, grace: float) -> None:
        """Connect again after a lost connection, and see to it that nothing of what was running
        there still runs: it gets `grace` seconds to end by itself. Raises ConnectError."""
        ...


def _unwatched(message: str, fraction: float | None = None) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """deadline: by the event loop's clock, in seconds; past it the step is ended.

    values: shared by all steps of the run. progress: says what the step is doing (0 to 1, or None).
    """

    step: Step
    hosts: Hosts
    values: Values
    deadline: float
    progress: Callable[..., None] = field(default=_unwatched)

    def action(self, kind: type[D]) -> D:
        """The step's action, of the type that the handler is for."""
        if not isinstance(self.step.action, kind):
            raise TypeError(f"{self.step.id} is a {type(self.step.action).__name__}, no {kind}")
        return self.step.action

    def transport(self, host: str | None = None) -> Transport:
        """Of the step's own host, or of another one."""
        name = host or self.step.host
        if name is None:
            raise ValueError(f"{self.step.id} belongs to no host")
        return self.hosts[name]

    def left(self) -> float:
        """Seconds that the step may still wait for something; always some. They end before the
        deadline, so that what was waited for is told."""
        reserve = min(_RESERVE, self.step.timeout * _RESERVED)
        return max(0.1, self.deadline - reserve - asyncio.get_running_loop().time())

    def left_on_host(self) -> float:
        """The same for a limit that a host keeps, which ends before that of the command does."""
        left = self.left()
        return left - min(_WITHIN, left * _SHARE)


@dataclass(frozen=True, slots=True)
class Handler:
    """How actions of one type are carried out.

    run: raises a KanaeError when it fails. Returns OK when there was nothing to do, else CHANGED.
    done: for actions that must not be repeated blindly: whether it took effect, asked after the
    connection was lost. True: it did; False: it did not and may run again; None: it cannot be told
    or is half done, and the step ends as indeterminate.
    """

    run: Callable[[StepContext], Awaitable[Outcome]]
    done: Callable[[StepContext], Awaitable[bool | None]] | None = None
