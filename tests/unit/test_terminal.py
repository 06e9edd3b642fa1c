"""What is asked on a terminal before a cluster is changed."""

from __future__ import annotations

import io
import sys

import click
import pytest

from kanae.cli.terminal import Terminal
from kanae.plan.actions import StopNode
from kanae.plan.model import Plan, Step

PLAN = Plan("demo", (Step("m1/stop/node", "m1", "stop", "stop kubelet and all pods", StopNode()),))
EMPTY = Plan("demo")


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", [True, False])
async def test_the_plan_is_shown_and_asked_about(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", Tty("y\n" if answer else "n\n"))
    assert await Terminal("Sure?", yes=False, verbose=True).decide(PLAN, again=False) is answer
    out, err = capsys.readouterr()
    assert "Sure?" not in out
    assert "stop kubelet and all pods" in err
    assert "Sure?" in err
    assert "an earlier run" not in err


async def test_without_a_terminal_only_yes_will_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert await Terminal("Sure?", yes=True, verbose=False).decide(PLAN, again=True)
    assert "an earlier run went on until now; what is left:" in capsys.readouterr().err
    with pytest.raises(click.UsageError, match="say --yes"):
        await Terminal("Sure?", yes=False, verbose=False).decide(PLAN, again=True)


async def test_where_an_earlier_run_has_left_nothing_nothing_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert await Terminal("Sure?", yes=False, verbose=False).decide(EMPTY, again=True)
