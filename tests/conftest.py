"""What tests share: the examples that hypothesis makes up are the same ones each time, unless
KANAE_EXPLORE is set; on real lab hosts one session at a time on a machine, and a clean start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from kanae.lab import lab as labs
from kanae.lab import record
from kanae.lab.locks import held

# Without a deadline: wall time tells of the machine.
settings.register_profile("same", derandomize=not os.environ.get("KANAE_EXPLORE"), deadline=None)
settings.load_profile("same")
_LOCK = record.RUN.parent / "tests.lock"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _of_tests(pointer: Path) -> bool:
    """Whether a lab's state is in a temporary folder of pytest."""
    return pointer.is_symlink() and any(
        part.startswith("pytest-of-") for part in pointer.readlink().parts
    )


@pytest.fixture(scope="session")
def alone() -> Iterator[None]:
    """Wait for another session's tests on real hosts to end, then take down the labs that killed
    sessions left: nobody else can have one up while the lock is held here."""
    with held(_LOCK, "runs tests on real hosts", _say):
        for pointer in sorted(record.RUN.glob("*")):
            if _of_tests(pointer):
                _say(f"taking down lab {pointer.name} of a test session that was killed")
                labs.down(pointer.name, _say)
        yield
