"""Locks between kanae processes of one machine; a killed holder's lock is free at once."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(
    path: Path, doing: str, say: Callable[[str], None] | None, *, wait: bool = True
) -> Generator[None]:
    """Hold the lock file; another holder is waited for.

    doing: what the other holder does, for the line that `say` gets. With wait=False another
    holder raises BlockingIOError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise
            if say:
                say(f"waiting for another kanae that {doing}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
