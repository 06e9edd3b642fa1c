"""`kanae drill`: exit codes and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drill_histories import FAULT, NEW_READ, good, outage
from test_data import records

from kanae.cli import main
from kanae.drills.faults.protocol import FaultPlan
from kanae.drills.probing.writing import Writer
from kanae.drills.records import History
from kanae.drills.running import recovery_record, run_folder
from kanae.drills.running.recovery_record import RecoveryRecord

SPEC = "examples/vip.yaml"
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    return tmp_path


def save(run: History, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = Writer(path)
    for each in [*records(run), *run.requests[500:], *run.watch[500:]]:
        writer.add(each)
    writer.close()
    return path


def leave_behind(pid: int, started: str) -> Path:
    folder = run_folder.drills_dir("vip") / "r1-power-cut"
    folder.mkdir(parents=True)
    plan = FaultPlan("cut", ("master3",), 30)
    entry = RecoveryRecord("r1", "power-cut", "vip", plan, ("ns",), pid, started)
    recovery_record.write(folder, entry)
    return folder


def code(*arguments: str) -> int:
    try:
        main(["drill", *arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_drills_are_listed_with_their_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("list", "-o", "json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["power-cut"]["limits"]["nginx"]["new.any.gap"] == 1.1
    assert {"return", "cold-start", "partition-oneway"} <= set(rows)
    assert code("list") == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "any.any.failed-on-return <= 0" in text


def test_a_good_history_checks_with_status_0_and_a_bad_one_with_40(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = {"new.any.failed": 0.0}
    fine = save(good(limits=limits), tmp_path / "fine.jsonl")
    bad = outage(good(limits=limits), NEW_READ.id, FAULT, FAULT + 1)
    page = tmp_path / "page.html"
    assert code("check", str(fine)) == 0
    assert capsys.readouterr().out.startswith("PASSED")
    assert code("check", str(save(bad, tmp_path / "bad.jsonl")), "--html", str(page)) == 40
    assert "FAILED" in page.read_text()


def test_a_history_is_checked_by_other_limits(tmp_path: Path) -> None:
    path = save(outage(good(), NEW_READ.id, FAULT, FAULT + 1), tmp_path / "run.jsonl")
    strict = tmp_path / "strict.toml"
    strict.write_text(
        "[validity]\nmin-requests = 20\nmin-share = 0.8\nmax-lag-p99 = 0.05\n"
        'max-failed-before = 0\n[drill.power-cut]\n"new.any.gap" = 0.4\n'
    )
    assert code("check", str(path)) == 0
    assert code("check", str(path), "--thresholds", str(strict)) == 40


def test_runs_are_reported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("a-power-cut", "b-power-cut"):
        save(
            good(limits={"new.any.gap": 0.4}),
            run_folder.drills_dir("vip") / name / run_folder.HISTORY,
        )
    page = tmp_path / "page.html"
    assert code("report", SPEC, "--html", str(page)) == 0
    assert "2 runs, 2 passed, 0 failed, 0 void" in capsys.readouterr().out
    assert "Over all runs" in page.read_text()
    assert code("report", SPEC, "--drill", "return") == 2


def test_a_run_that_is_being_made_is_not_reported_yet(capsys: pytest.CaptureFixture[str]) -> None:
    save(good(limits={"new.any.gap": 0.4}), run_folder.drills_dir("vip") / "a" / run_folder.HISTORY)
    going = leave_behind(1, recovery_record.process_start(1))
    save(good(), going / run_folder.HISTORY)
    assert code("report", SPEC) == 0
    shown = capsys.readouterr()
    assert "1 runs, 1 passed" in shown.out
    assert f"left out: {going.name} is still being made" in shown.err
    recovery_record.settle(going)
    assert code("report", SPEC) == 0
    assert "2 runs" in capsys.readouterr().out


def test_no_drill_runs_while_an_earlier_one_has_left_something(
    capsys: pytest.CaptureFixture[str],
) -> None:
    leave_behind(1, "0")
    assert code("run", "power-cut", SPEC, "--yes") == 5
    assert "kanae drill recover" in capsys.readouterr().err


def test_a_run_that_still_goes_on_is_not_recovered(capsys: pytest.CaptureFixture[str]) -> None:
    leave_behind(1, recovery_record.process_start(1))
    assert code("recover", SPEC) == 5
    assert "still runs" in capsys.readouterr().err


def test_nothing_to_recover_is_no_error() -> None:
    assert code("recover", SPEC) == 0


def test_nobody_looks_from_inside_through_what_is_no_node(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert code("run", "power-cut", SPEC, "--inside", "nobody", "--yes") == 2
    assert "there is no node nobody" in capsys.readouterr().err


def test_a_prober_on_no_host_of_the_spec_is_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert code("run", "power-cut", SPEC, "--from", "nobody", "--yes") == 2
    assert "there is no host nobody" in capsys.readouterr().err
