"""What makes runs on simulated hosts quick: no disk is waited for, few RSA keys are made."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from kanae.execute import journal
from kanae.execute.actions import authorities

from .simulator import Simulator, whole_world

_make = authorities.make_authority


@cache
def _made(name: str, number: int) -> tuple[str, str]:  # tells them apart
    return _make(name)


def _no_wait(file: int) -> None:
    """Nothing here has to survive a crash of the machine."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    turn = itertools.count()

    def make_authority(name: str) -> tuple[str, str]:
        """One of a dozen, another one at each call."""
        return _made(name, next(turn) % 12)

    monkeypatch.setattr(authorities, "make_authority", make_authority)
    monkeypatch.setattr(journal.os, "fdatasync", _no_wait)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def built() -> Callable[[str], Simulator]:
    """A cluster of an example, built once and copied for each test."""
    return lambda name: Simulator(whole_world(name).copy())
