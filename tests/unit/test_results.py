"""Results of verbs for people and programs: status, logs, apply and reset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from kanae.cli import apply, main, reset, status
from kanae.errors import RunFailed
from kanae.execute.events import Outcome, RunEnded, RunStarted, StepEnded, StepStarted
from kanae.execute.journal import Journal
from kanae.facts.model import Facts
from kanae.operations.change import Changed, Ending
from kanae.plan.actions import StopNode
from kanae.plan.model import Plan, Step
from kanae.verify.status import Status, Unreachable

SPEC = """
name: demo
kubernetes: v1.37.2
hosts:
  m1: {address: 192.0.2.1, roles: [control-plane, worker]}
"""
PLAN = Plan("demo", (Step("m1/stop/node", "m1", "stop", "stop kubelet and all pods", StopNode()),))
WELL = Status(
    cluster="demo", api=True, version="v1.37.2", nodes=(), etcd=(), balancers={}, certificates=(),
    units=(), unreachable={}, workloads=(), drift=0,
)  # fmt: skip
FEW = {"m1": ("update file /etc/a", "run restart x"), "cluster": ("update object b",)}
MANY = {"m1": tuple(f"update file /etc/{n}" for n in range(5))}


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    Path("cluster.yaml").write_text(SPEC)


def _run(*words: str) -> int:
    try:
        main(words)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _status(monkeypatch: pytest.MonkeyPatch, found: Status) -> None:
    async def asked(*_: object) -> Status:
        return found

    monkeypatch.setattr(status, "status", asked)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (WELL, 0),
        (replace(WELL, drift=3, differs=FEW), 2),
        (replace(WELL, drift=None), 4),
        (replace(WELL, api=False), 4),
        (replace(WELL, api=False, drift=3, differs=FEW), 4),
    ],
)
def test_the_exit_code_of_status_tells_health_and_drift_only_when_asked_to(
    monkeypatch: pytest.MonkeyPatch, found: Status, code: int
) -> None:
    _status(monkeypatch, found)
    assert _run("status", "--exit-code") == code
    assert _run("status") == 0


@pytest.mark.parametrize(
    ("differs", "lines"),
    [
        (
            FEW,
            [
                "drift        3 changes, see: kanae plan",
                "drift        m1               update file /etc/a",
                "drift        m1               run restart x",
                "drift        cluster          update object b",
            ],
        ),
        (
            MANY,
            [
                "drift        5 changes, see: kanae plan",
                *(f"drift        m1               update file /etc/{n}" for n in range(3)),
                "drift        m1               and 2 more",
            ],
        ),
        ({}, ["drift        none"]),
    ],
)
def test_status_says_what_differs(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    differs: Mapping[str, tuple[str, ...]],
    lines: list[str],
) -> None:
    _status(monkeypatch, replace(WELL, drift=sum(map(len, differs.values())), differs=differs))
    _run("status")
    shown = click.unstyle(capsys.readouterr().out).splitlines()
    assert [line for line in shown if line.startswith("drift")] == lines


def test_a_remedy_that_hosts_share_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = {f"m{n}": Unreachable(f"no answer from 192.0.2.{n}", "is it up?") for n in (1, 2, 3)}
    _status(monkeypatch, replace(WELL, unreachable=lost))
    _run("status")
    out = capsys.readouterr().out
    assert all(f"no answer from 192.0.2.{n}" in out for n in (1, 2, 3))
    assert out.count("is it up?") == 1


def _journal(run: str, *, failed: bool = False, killed: bool = False) -> Path:
    with Journal("demo", run) as journal:
        journal.record(RunStarted(1000.0, run, "demo", 3))
        journal.record(StepStarted(1000.0, "m1/a", "m1", "write files"))
        journal.record(StepEnded(1002.0, "m1/a", "m1", Outcome.CHANGED, 2.0))
        journal.record(StepStarted(1002.0, "m1/b", "m1", "load images"))
        if not killed:
            outcome = Outcome.FAILED if failed else Outcome.OK
            error = "m1: no space\n  remedy: free some" if failed else ""
            journal.record(StepEnded(1003.5, "m1/b", "m1", outcome, 1.5, error))
            last = Outcome.SKIPPED if failed else Outcome.CHANGED
            journal.record(StepEnded(1004.0, "m1/c", "m1", last, 0.0))
            journal.record(RunEnded(1004.0, run, {}))
    return journal.path


def test_logs_lists_runs_and_shows_one(capsys: pytest.CaptureFixture[str]) -> None:
    _journal("20260101T000000-a")
    log = _journal("20260102T000000-b", failed=True)
    _journal("20260103T000000-c", killed=True)
    assert _run("logs") == 0
    rows = click.unstyle(capsys.readouterr().out).splitlines()
    assert [row.split()[0] for row in rows] == [
        "20260101T000000-a", "20260102T000000-b", "20260103T000000-c",
    ]  # fmt: skip
    assert [row.split()[5 if "?" in row else 6] for row in rows] == ["done", "failed", "unfinished"]
    assert _run("logs", "cluster.yaml", "20260102T000000-b") == 0
    text = click.unstyle(capsys.readouterr().out)
    for part in (
        "failed, 3 steps: 1 changed, 1 failed, 1 skipped", "took 4.0 s", f"log: {log}",
        "2.0 s  done     m1: write files", "1.5 s  FAILED   m1: load images", "m1: no space",
        "remedy: free some",
    ):  # fmt: skip
        assert part in text
    assert "m1/c" not in text
    assert _run("logs", "cluster.yaml", "last") == 0
    assert "m1: load images, its outcome is not known" in capsys.readouterr().out
    assert _run("logs", "cluster.yaml", "none") == 2


@pytest.mark.parametrize("run", ["last", "20260102T000000-b"])
def test_without_a_spec_a_run_is_one_of_the_spec_in_this_folder(
    capsys: pytest.CaptureFixture[str], run: str
) -> None:
    _journal("20260102T000000-b", failed=True)
    assert _run("logs", "cluster.yaml", run) == 0
    whole = capsys.readouterr().out
    assert _run("logs", run) == 0
    assert capsys.readouterr().out == whole
    assert _run("logs", "20260102T000000-c") == 2
    assert "there is no run 20260102T000000-c of demo" in capsys.readouterr().err


def test_a_run_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    log = _journal("20260102T000000-b", failed=True)
    assert _run("logs", "cluster.yaml", "last", "-o", "json") == 0
    run = json.loads(capsys.readouterr().out)
    wanted = {
        "run": "20260102T000000-b",
        "state": "failed",
        "seconds": 4.0,
        "changed": ["m1/a"],
        "failed": ["m1/b"],
        "log": str(log),
    }
    assert {name: run[name] for name in wanted} == wanted
    assert [step["outcome"] for step in run["steps"]] == ["changed", "failed", "skipped"]
    assert _run("logs", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == [run]


def test_a_cluster_without_runs_has_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("logs", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("verb", ["apply", "reset"])
@pytest.mark.parametrize("failed", [False, True])
def test_apply_and_reset_give_programs_their_run_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str, failed: bool
) -> None:
    log = _journal("20260102T000000-b", failed=failed)

    async def change(*given: Any, **how: Any) -> Changed:
        if failed:
            error = RunFailed("1 of 3 steps failed")
            error.log = log
            raise error
        return Changed(Ending.DONE, Facts({}), PLAN, log)

    monkeypatch.setattr({"apply": apply, "reset": reset}[verb], "change", change)
    assert _run(verb, "--yes", "-o", "json") == (22 if failed else 0)
    out = json.loads(capsys.readouterr().out)
    assert out["state"] == ("failed" if failed else "done")
    assert out["failed"] == (["m1/b"] if failed else [])


@pytest.mark.parametrize("verb", ["apply", "reset"])
def test_with_nothing_to_do_programs_are_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    async def change(*given: Any, **how: Any) -> Changed:
        return Changed(Ending.NOTHING_TO_DO, Facts({}), Plan("demo"))

    monkeypatch.setattr({"apply": apply, "reset": reset}[verb], "change", change)
    assert _run(verb, "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == {"cluster": "demo", "state": "nothing to do"}
