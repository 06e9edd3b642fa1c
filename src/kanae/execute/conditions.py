"""Waiting for something to become true, and saying what was seen last when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kanae.errors import ConnectError, ConnectionLost, StepFailed, StepTimedOut


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. met: whether the condition holds. what: the observation, in a few words."""

    met: bool
    what: str = ""


@dataclass(slots=True)
class Condition:
    """host: where it is looked at, for the error. description: completes "waiting for ...".

    look: one look; a HostError that it raises counts as not met (a service that restarts refuses
    connections for a while) and is kept as the last observation. remedy: what to look at.
    """

    host: str
    description: str
    look: Callable[[], Awaitable[Seen]]
    remedy: str = ""
    last: str = "nothing yet"

    async def once(self) -> bool:
        try:
            seen = await self.look()
        except (StepFailed, StepTimedOut, ConnectionLost, ConnectError) as error:
            self.last = error.what
            return False
        self.last = seen.what or ("met" if seen.met else "not met")
        return seen.met

    def __str__(self) -> str:
        return f"{self.description} ({self.last})"


async def poll(
    condition: Condition,
    *,
    timeout: float,
    interval: float = 0.2,
    progress: Callable[..., None] | None = None,
) -> None:
    """Look every `interval` seconds, at once the first time, at most `timeout` seconds in all.

    Raises StepTimedOut, which says what was waited for and what was seen last.
    """
    try:
        async with asyncio.timeout(timeout):
            while not await condition.once():
                if progress is not None:
                    progress(f"waiting for {condition}")
                await asyncio.sleep(interval)
    except TimeoutError:
        raise StepTimedOut(
            condition.host,
            f"waited {timeout:g} s for {condition.description}; last seen: {condition.last}",
            remedy=condition.remedy,
        ) from None
