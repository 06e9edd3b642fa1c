"""Progress for people: bars with rate and remaining time on a terminal, plain lines otherwise."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Generator
from types import TracebackType
from typing import TextIO

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as RichProgress,
)

from kanae.artifacts.progress import Progress, Task

# Seconds between two plain lines of one task: enough to see life, not a flood in a CI log.
PLAIN_INTERVAL = 10.0


@contextlib.contextmanager
def progress(stream: TextIO | None = None) -> Generator[Progress, None, None]:
    """A reporter on standard error (or `stream`) for the length of a with block."""
    where = stream if stream is not None else sys.stderr
    if not where.isatty():
        yield PlainProgress(where)
        return
    bars = RichProgress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[told]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(file=where),
        transient=True,
    )
    with bars:
        yield _Bars(bars)


def amount(done: int, total: int, seconds: float, unit: str) -> str:
    """As in "12.0 of 48.1 MB, 8.3 MB/s, 4 s left" or "310 of 620 packages, 90 s left"."""
    rate = done / seconds if seconds > 0 else 0.0
    if unit == "bytes":
        of = f" of {total / 1e6:.1f}" if total else ""
        text = f"{done / 1e6:.1f}{of} MB, {rate / 1e6:.1f} MB/s"
    else:
        text = f"{done} of {total} {unit}" if total else f"{done} {unit}"
    if total > done and rate > 0:
        text += f", {(total - done) / rate:.0f} s left"
    return text


class PlainProgress:
    """One line when a task starts, every ten seconds, and at its end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        with self._lock:
            click.echo(line, file=self._stream)

    def task(self, label: str, *, unit: str = "bytes") -> Task:
        return _PlainTask(self, label, unit)


class _PlainTask:
    def __init__(self, owner: PlainProgress, label: str, unit: str) -> None:
        self._owner, self._label, self._unit = owner, label, unit
        self._done = self._total = 0
        self._begin = self._told = time.monotonic()

    def total(self, amount: int) -> None:
        self._total = amount

    def advance(self, amount: int) -> None:
        self._done += amount
        if time.monotonic() - self._told >= PLAIN_INTERVAL:
            self._told = time.monotonic()
            self._owner.say(f"{self._label}: {self._text()}")

    def __enter__(self) -> _PlainTask:
        self._owner.say(self._label)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if error is None:
            seconds = time.monotonic() - self._begin
            self._owner.say(f"{self._label}: done in {seconds:.1f} s ({self._text()})")

    def _text(self) -> str:
        return amount(self._done, self._total, time.monotonic() - self._begin, self._unit)


class _Bars:
    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars

    def say(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False)

    def task(self, label: str, *, unit: str = "bytes") -> Task:
        return _Bar(self._bars, label, unit)


class _Bar:
    def __init__(self, bars: RichProgress, label: str, unit: str) -> None:
        self._bars, self._unit, self._label = bars, unit, label
        self._done = self._total = 0
        self._begin = time.monotonic()
        self._id: TaskID = bars.add_task(label, total=None, told="")

    def total(self, amount: int) -> None:
        self._total = amount
        self._bars.update(self._id, total=amount)

    def advance(self, amount: int) -> None:
        self._done += amount
        self._bars.update(self._id, advance=amount, told=self._text())

    def __enter__(self) -> _Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._bars.remove_task(self._id)
        if error is None:
            seconds = time.monotonic() - self._begin
            self._bars.console.print(
                f"{self._label}: done in {seconds:.1f} s ({self._text()})",
                markup=False,
                highlight=False,
            )

    def _text(self) -> str:
        return amount(self._done, self._total, time.monotonic() - self._begin, self._unit)
