"""Locks between processes (and threads) by flock: held by whoever has the file open."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Generator, Sequence
from pathlib import Path


@contextlib.contextmanager
def held(file: Path, *, exclusively: bool) -> Generator[None, None, None]:
    """Hold a lock, alone or with others who share it, waiting for as long as it takes."""
    with _opened(file) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusively else fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def tried(file: Path) -> Generator[bool, None, None]:
    """Hold a lock alone if nobody has it; tells whether it is held."""
    with _opened(file) as descriptor:
        yield _try(descriptor)


@contextlib.contextmanager
def all_held(
    folder: Path, keys: Sequence[str], on_wait: Callable[[], None]
) -> Generator[None, None, None]:
    """Hold the locks of all keys; on_wait is called once if another holds one of them.

    Locks are taken in sorted order, so two processes that want overlapping sets cannot each hold
    what the other waits for.
    """
    with contextlib.ExitStack() as stack:
        told = False
        for key in sorted(set(keys)):
            descriptor = stack.enter_context(_opened(folder / key))
            if not _try(descriptor):
                if not told:
                    on_wait()
                    told = True
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _opened(file: Path) -> Generator[int, None, None]:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
