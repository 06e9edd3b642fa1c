"""A run as it is shown: plain lines where nobody can watch a table."""

from __future__ import annotations

import io

import click
import pytest

from kanae.execute.events import Outcome, RunEnded, RunStopping, StepEnded, StepStarted
from kanae.plan.actions import MintToken
from kanae.plan.model import Plan, Step
from kanae.report.console import live

PLAN = Plan(
    "c",
    (
        Step("m1/a/one", "m1", "a", "first thing", MintToken("c")),
        Step("m1/a/two", "m1", "a", "second thing", MintToken("c"), ("m1/a/one",)),
    ),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_say_what_ended_where_and_how_far_the_whole_is() -> None:
    out = io.StringIO()
    with live(PLAN, out) as emit:
        emit(StepStarted(0.0, "m1/a/one", "m1", "first thing"))
        emit(StepEnded(1.5, "m1/a/one", "m1", Outcome.CHANGED, 1.5))
        emit(StepEnded(2.0, "m1/a/two", "m1", Outcome.FAILED, 0.5, "broken"))
        emit(RunEnded(2.0, "r", {"changed": 1, "failed": 1}))
    lines = [line.partition("s ")[2] for line in click.unstyle(out.getvalue()).splitlines()]
    assert lines == [
        "[1/2] done m1: first thing (1.5 s)",
        "[2/2] FAILED m1: second thing (0.5 s)",
        "1 changed, 1 failed",
    ]


def test_a_terminal_gets_a_table_with_a_row_for_each_host() -> None:
    out = Terminal()
    with live(PLAN, out) as emit:
        emit(StepStarted(0.0, "m1/a/one", "m1", "first thing"))
        emit(StepEnded(1.5, "m1/a/one", "m1", Outcome.CHANGED, 1.5))
        emit(StepEnded(2.0, "m1/a/two", "m1", Outcome.OK, 0.5))
    assert "m1" in out.getvalue()
    assert "2/2" in out.getvalue()


@pytest.mark.parametrize("out", [io.StringIO(), Terminal()])
def test_an_interrupted_run_says_what_it_waits_for_in_words(out: io.StringIO) -> None:
    with live(PLAN, out) as emit:
        emit(StepStarted(0.0, "m1/a/one", "m1", "first thing"))
        emit(RunStopping(1.0, ("m1/a/one",)))
    text = " ".join(click.unstyle(out.getvalue()).split())
    assert "interrupted, waiting for: first thing (m1)." in text
    assert "m1/a/one" not in text


def test_what_an_interrupted_run_waited_for_is_not_left_on_the_terminal() -> None:
    out = Terminal()
    with live(PLAN, out) as emit:
        emit(StepStarted(0.0, "m1/a/one", "m1", "first thing"))
        emit(RunStopping(1.0, ("m1/a/one",)))
        emit(StepEnded(1.5, "m1/a/one", "m1", Outcome.OK, 1.5))
    last = out.getvalue().rpartition("1/2")[2]
    assert "waiting for" not in last
