"""bench/drills.py: only the runs that are missing are made, whenever it is called."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drill_histories import FAULT, NEW_READ, good, outage, taking_leader
from test_cli import save

from kanae.drills.judging import history
from kanae.drills.judging.verdict import Result
from kanae.drills.records import History, Proof
from kanae.drills.running import run_folder
from kanae.spec.load import load

ROOT = Path(__file__).parents[3]
SPEC = ROOT / "examples/vip.yaml"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(ROOT / "bench"), *sys.path])
    return importlib.import_module("drills")


def keep(run: History, number: int, *, spec: bytes | None = None) -> None:
    digest = hashlib.sha256(SPEC.read_bytes() if spec is None else spec).hexdigest()
    name = f"2026010{number}-000000-000"
    folder = run_folder.drills_dir("vip") / f"{name}-{run.header.drill}"
    made = replace(run, header=replace(run.header, run=name, digest=digest))
    history.compress(save(made, folder / run_folder.HISTORY))


def passing(drill: str = "power-cut") -> History:
    """A run that meets today's limits, though not those of the day when it was made."""
    run = good(drill, limits={"new.any.gap": 0.0})
    return replace(run, proofs=(*run.proofs, Proof(FAULT + 5, "deployment", True, 10.0, "")))


def kanae(call: Callable[[int], int]) -> Callable[[Sequence[str]], int]:
    """In place of `kanae drill run`. call: what becomes of a number of runs; the exit status."""

    def run(argv: Sequence[str]) -> int:
        assert argv[2:6] == ["kanae", "drill", "run", "power-cut"]
        return call(int(argv[argv.index("--repeat") + 1]))

    return run


def test_runs_that_are_missing_or_void_are_made_and_others_counted(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(passing(), 1)
    keep(replace(passing(), evidence=()), 2)  # void
    keep(passing(), 3, spec=b"another")
    keep(good(drill="return"), 4)
    asked: list[int] = []

    def call(count: int) -> int:
        asked.append(count)
        for n in range(count):
            keep(outage(passing(), NEW_READ.id, FAULT, FAULT + 1), 5 + n)
        return 40

    monkeypatch.setattr(bench, "run", kanae(call))
    past = bench.Past(SPEC, "", "vip")
    assert bench.make(past, "power-cut", 3, []) == ""
    assert asked == [2]
    assert bench.make(bench.Past(SPEC, "", "vip"), "power-cut", 3, []) == ""
    assert asked == [2]
    text = bench.shown(past.of("power-cut"), "text")
    assert "4 runs, 1 passed, 2 failed, 1 void" in text
    row = next(line.split() for line in text.splitlines() if "new.any.gap  " in line)
    assert row == ["new.any.gap", "1.11", "s", "0.11", "1.11", "3", "<=", "0.4", "s", "MISSED"]
    assert len(bench.Past(SPEC, "20260105", "vip").of("power-cut")) == 2


def test_runs_in_which_etcds_leader_was_lost_stand_apart_and_count_alike(bench: Any) -> None:
    keep(passing(), 1)
    for number in (2, 3):
        keep(taking_leader(outage(passing(), NEW_READ.id, FAULT, FAULT + 1)), number)
    found = bench.Past(SPEC, "", "vip").of("power-cut")
    assert [verdict.result for verdict in found] == [Result.PASSED] * 3
    assert bench.missing(found, 4) == 1
    for form in ("text", "markdown"):
        usual, lost = bench.shown(found, form).split("power-cut, etcd's leader lost")
        assert "1 runs, 1 passed" in usual
        assert "2 runs, 2 passed" in lost
        rows = [
            next(line for line in part.splitlines() if "new.any.gap" in line)
            for part in (usual, lost)
        ]
        assert ["<= 0.4 s" in row for row in rows] == [True, False]
        assert ["<= 1.5 s" in row for row in rows] == [False, True]


def test_only_the_healing_is_judged_by_limits_when_the_only_way_in_was_taken(bench: Any) -> None:
    run = outage(good("balancer-cut"), NEW_READ.id, FAULT, FAULT + 9)
    spec = load(SPEC)
    assert bench.judged(run, spec).result is Result.FAILED
    balancer = spec.load_balancer.model_copy(update={"virtual_address": None})
    alone = spec.model_copy(update={"load_balancer": balancer})
    verdict = bench.judged(run, alone)
    assert verdict.result is Result.PASSED, verdict.reasons
    assert {j.metric for j in bench.finite(verdict).judgements} == {"heal.redundancy"}


def test_it_ends_when_the_cluster_does_and_gives_a_drill_up_that_is_always_void(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = bench.Past(SPEC, "", "vip")
    monkeypatch.setattr(bench, "run", kanae(lambda count: 5))
    assert bench.make(past, "power-cut", 2, []) == "kanae drill run power-cut ended with 5"
    monkeypatch.setattr(bench, "run", kanae(lambda count: 40))
    assert bench.make(past, "power-cut", 2, []) == "power-cut: 0 of 2 runs were made"
    for number in range(1, 4):
        keep(replace(good(), evidence=()), number)
    assert bench.make(bench.Past(SPEC, "", "vip"), "power-cut", 2, []) == ""
