"""What keeps the commands of a run off a host once another run may act there.

The host itself is asked, by the first lines of each script and so in the same round trip: a
script of a run that was deposed ends before it has begun, however long its operator has slept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from kanae.transport.protocol import Completed

# What a script that was kept off ends with, and says on standard error: a status alone could be
# the script's own.
FENCED = 96
FENCED_WORD = "kanae-fenced"


class Fence(Protocol):
    """See `kanae.execute.lease`."""

    def guard(self, host: str) -> str:
        """Lines of sh that go before each script, and end it as FENCED where it must not begin."""
        ...

    async def confirm(self) -> None:
        """Called before each script is sent. Raises LeaseHeld when it must not be."""
        ...

    async def regain(self, host: str) -> None:
        """Called when a host has kept a script off. Raises LeaseHeld, unless it may try again."""
        ...


async def guarded(fence: Fence | None, host: str, script: str) -> str:
    """A script as it is to be sent now. Raises LeaseHeld when it must not be."""
    if fence is None:
        return script
    await fence.confirm()
    return fence.guard(host) + script


async def fenced(
    fence: Fence | None, host: str, script: str, send: Callable[[str], Awaitable[Completed]]
) -> Completed:
    """Send a script, from behind the fence if there is one; once more where that is allowed."""
    while True:
        done = await send(await guarded(fence, host, script))
        kept_off = done.status == FENCED and done.stderr.strip() == FENCED_WORD
        if fence is None or not kept_off:
            return done
        await fence.regain(host)
