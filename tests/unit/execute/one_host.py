"""A step carried out on a host that a test plays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.execute.values import Values
from kanae.plan.model import Action, Step
from kanae.transport.protocol import Completed, Transport, Upload


@dataclass
class PlayedHost:
    """answer: what a script comes to. scripts: those that were run, in order."""

    answer: Callable[[str], Completed]
    name: str = "m1"
    scripts: list[str] = field(default_factory=list[str])

    @property
    def host(self) -> str:
        return self.name

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        self.scripts.append(script)
        return self.answer(script)

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        raise AssertionError(f"no test here uploads: {uploads}")

    async def close(self) -> None: ...


@dataclass(frozen=True)
class OneHost:
    host: Transport

    def __getitem__(self, name: str, /) -> Transport:
        assert name == self.host.host
        return self.host

    async def recover(self, host: str, *, grace: float) -> None:
        raise AssertionError(f"no connection to {host} is lost here")


async def carry_out(
    handler: Callable[[StepContext], Awaitable[Outcome]],
    host: Transport,
    action: Action,
    timeout: float = 30.0,
) -> Outcome:
    step = Step(f"{host.host}/stage/it", host.host, "stage", "do it", action, timeout=timeout)
    deadline = asyncio.get_running_loop().time() + timeout
    return await handler(StepContext(step, OneHost(host), Values(), deadline))
