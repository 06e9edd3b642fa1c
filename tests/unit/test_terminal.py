"""What is asked and said on a terminal around a change of a cluster."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click
import pytest

from kanae.cli import apply, main, reset
from kanae.cli.terminal import Terminal
from kanae.errors import ConnectError
from kanae.facts.model import Facts
from kanae.operations.change import Changed, Ending
from kanae.plan.actions import StopNode
from kanae.plan.model import Plan, Step
from kanae.transport.fleet import FleetError

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


SPEC = """
name: demo
kubernetes: v1.37.2
hosts:
  m1: {address: 192.0.2.1, roles: [control-plane, worker]}
  w1: {address: 192.0.2.2, roles: [worker]}
"""


@pytest.mark.parametrize(
    ("verb", "ending", "plan", "status", "out", "err"),
    [
        ("apply", Ending.NOTHING_TO_DO, EMPTY, 0, "nothing to do", ""),
        ("apply", Ending.DECLINED, PLAN, 130, "", "interrupted"),
        ("apply", Ending.DONE, PLAN, 0, "", "demo is as the spec says"),
        ("apply", Ending.DONE, EMPTY, 0, "", ""),
        ("reset", Ending.NOTHING_TO_DO, EMPTY, 0, "demo: nothing to do, no host", ""),
        ("reset", Ending.DECLINED, PLAN, 130, "", "interrupted"),
        ("reset", Ending.DONE, PLAN, 0, "", "demo is gone from "),
    ],
)
def test_each_ending_has_its_words_and_its_status(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    ending: Ending,
    plan: Plan,
    status: int,
    out: str,
    err: str,
) -> None:
    async def change(*given: object, **how: object) -> Changed:
        return Changed(ending, Facts({}), plan)

    assert _run(monkeypatch, tmp_path, verb, change) == status
    said = capsys.readouterr()
    for words, stream in ((out, said.out), (err, said.err)):
        assert words in stream
        assert bool(words) == bool(stream)


@pytest.mark.parametrize(("lost", "hint"), [(("w1",), True), (("m1", "w1"), False)])
def test_a_reset_of_the_other_hosts_is_offered_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    lost: tuple[str, ...],
    hint: bool,
) -> None:
    async def change(*given: object, **how: object) -> Changed:
        raise FleetError({host: ConnectError(host, "gone") for host in lost})

    assert _run(monkeypatch, tmp_path, "reset", change) == 10
    said = capsys.readouterr().err
    assert ("with --skip-unreachable the other hosts would be reset" in said) is hint
    assert "w1" in said


def _run(monkeypatch: pytest.MonkeyPatch, folder: Path, verb: str, change: object) -> int:
    spec = folder / "cluster.yaml"
    spec.write_text(SPEC)
    monkeypatch.setattr({"apply": apply, "reset": reset}[verb], "change", change)
    try:
        main([verb, str(spec)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0
