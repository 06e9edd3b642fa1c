"""A run as it happens: a live table on a terminal, one line an event elsewhere.

Everything goes to standard error; results are what goes to standard output.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import TextIO

import click

from kanae.execute.events import (
    Event,
    Outcome,
    RunEnded,
    RunStopping,
    StepEnded,
    StepProgress,
    StepStarted,
)
from kanae.plan.model import Plan

SIGNS = {
    Outcome.OK: ("ok", "green"),
    Outcome.CHANGED: ("done", "green"),
    Outcome.FAILED: ("FAILED", "red"),
    Outcome.INDETERMINATE: ("UNKNOWN", "red"),
    Outcome.SKIPPED: ("skipped", "yellow"),
}


@contextlib.contextmanager
def live(plan: Plan, stream: TextIO | None = None) -> Generator[Callable[[Event], None]]:
    """Gives the function to hand each event to. stream: standard error by default."""
    out = stream if stream is not None else sys.stderr
    if out.isatty():
        with _table(plan, out) as emit:
            yield emit
    else:
        yield Lines(plan, out)


class Lines:
    """Plain lines, for logs and pipes: what ended, after how long, and how far the whole is."""

    def __init__(self, plan: Plan, out: TextIO) -> None:
        self._plan = plan
        self._titles = {step.id: step.title for step in plan}
        self._out = out
        self._begun = time.monotonic()
        self._ended = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepEnded):
            self._ended += 1
            if event.outcome is Outcome.SKIPPED:
                return
            word, colour = SIGNS[event.outcome]
            passed = time.monotonic() - self._begun
            self._say(
                f"{passed:6.1f}s [{self._ended}/{len(self._titles)}] "
                f"{click.style(word, fg=colour)} {event.host or 'cluster'}: "
                f"{self._titles[event.step]} ({event.seconds:.1f} s)"
            )
        elif isinstance(event, RunStopping):
            self._say(_stopping(self._plan, event.steps))
        elif isinstance(event, RunEnded):
            counts = ", ".join(f"{count} {kind}" for kind, count in event.counts.items())
            self._say(f"{time.monotonic() - self._begun:6.1f}s {counts}")

    def _say(self, line: str) -> None:
        click.echo(line, file=self._out)


def _stopping(plan: Plan, steps: Iterable[str]) -> str:
    """What an interrupted run waits for. steps: ids; hosts with the same step share its title."""
    by_id = plan.by_id()
    hosts: dict[str, list[str]] = {}
    for step in map(by_id.__getitem__, steps):
        hosts.setdefault(step.title, []).append(step.host or "cluster")
    waiting = "; ".join(f"{title} ({', '.join(names)})" for title, names in hosts.items())
    return (
        f"interrupted, waiting for: {waiting}. Nothing else is begun. Ctrl-C again gives them up, "
        "and their outcome is then not known"
    )


@dataclass
class _Host:
    """running: step id -> (title, since by the monotonic clock, what it says of itself)."""

    total: int = 0
    ended: int = 0
    wrong: int = 0
    running: dict[str, tuple[str, float, str]] = field(
        default_factory=dict[str, tuple[str, float, str]]
    )


@contextlib.contextmanager
def _table(plan: Plan, out: TextIO) -> Generator[Callable[[Event], None]]:
    """One row a host, redrawn a few times a second; rich is imported only when it is needed."""
    from rich.console import Console, Group, RenderableType
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    hosts: dict[str, _Host] = {}
    titles: dict[str, str] = {}
    for step in plan:
        titles[step.id] = step.title
        hosts.setdefault(step.host or "cluster", _Host()).total += 1
    begun = time.monotonic()
    stopping = False

    def draw() -> RenderableType:
        now = time.monotonic()
        table = Table.grid(padding=(0, 2))
        for name, host in hosts.items():
            doing = "; ".join(
                f"{title}{': ' + said if said else ''} ({now - since:.0f} s)"
                for title, since, said in host.running.values()
            )
            state = "[red]failed[/]" if host.wrong else ""
            whole = host.ended == host.total and not host.wrong
            table.add_row(
                name,
                f"{host.ended}/{host.total}",
                state or ("[green]done[/]" if whole else ""),
                doing,
            )
        table.add_row("", "", "", f"[dim]{now - begun:.0f} s[/]")
        running = [step for host in hosts.values() for step in host.running]
        # Below the table, for as long as it holds.
        return Group(table, Text(_stopping(plan, running))) if stopping and running else table

    view = Live(get_renderable=draw, console=Console(file=out), refresh_per_second=4)

    def emit(event: Event) -> None:
        nonlocal stopping
        if isinstance(event, StepStarted):
            host = hosts[event.host or "cluster"]
            host.running[event.step] = (titles[event.step], time.monotonic(), "")
        elif isinstance(event, StepProgress):
            host = hosts[event.host or "cluster"]
            title, since, _ = host.running.get(event.step, (titles[event.step], 0.0, ""))
            host.running[event.step] = (title, since, event.message)
        elif isinstance(event, StepEnded):
            host = hosts[event.host or "cluster"]
            host.running.pop(event.step, None)
            host.ended += 1
            host.wrong += event.outcome in (Outcome.FAILED, Outcome.INDETERMINATE)
        elif isinstance(event, RunStopping):
            stopping = True

    with view:
        yield emit
