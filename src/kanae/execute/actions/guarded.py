"""kubeadm on a host, so that it is never run twice at once and never cut off half-way.

The program runs in a session of its own and outlives the connection that started it; a lock file
says whether it still runs, a mark whether it succeeded. An operator who comes back (or another
run) waits for the lock and reads the mark instead of starting it again.
"""

from __future__ import annotations

from collections.abc import Mapping

from kanae.errors import step_failed
from kanae.execute.scripts import guarded
from kanae.layout import paths as at
from kanae.transport.protocol import Completed, Transport


def raised(
    transport: Transport, done: Completed, command: str, remedies: Mapping[str, str], log: str
) -> None:
    """StepFailed unless it ended well. remedies: words of kubeadm's output -> what to do."""
    if done.status == 0:
        return
    fits = [remedy for words, remedy in remedies.items() if words in done.stderr]
    remedy = fits[0] if fits else f"read {at.LOGS}/{log}.log on the host, then apply again"
    raise step_failed(transport.host, command, done.status, done.stderr, remedy=remedy)


async def took_effect(
    transport: Transport, mark: str, limit: float, holds: str = ""
) -> bool | None:
    """Wait for a program that may still run, then say whether it succeeded. holds: what the mark
    says then, where it may be there before.

    None: it ended without success, and what it left has to be looked at first.
    """
    done = await transport.run(guarded.succeeded(mark, limit, holds), timeout=limit + 10)
    return True if done.status == 0 else None
