"""bench/membership.py: its specs, its two runs of a replacement, what its rounds come to."""

from __future__ import annotations

import importlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kanae.drills.judging.changes import ChangedRun, ChangeFigures
from kanae.drills.probing.writing import Writer
from kanae.drills.records import Change
from kanae.drills.running.changing import Changes
from kanae.execute import journal
from kanae.execute.events import RunStarted
from kanae.spec.load import load
from kanae.spec.models import Role

ROOT = Path(__file__).parents[3]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "path", [str(ROOT / "bench"), *sys.path])
    return importlib.import_module("membership")


@pytest.fixture
def place(bench: Any, tmp_path: Path) -> Any:
    spec = tmp_path / "cluster.yaml"
    spec.write_text((ROOT / "bench/membership.yaml").read_text())
    home = tmp_path / "home.yaml"
    home.write_text(bench.without(spec.read_text(), bench.WORKER))
    here = bench.Setting("membership", spec, tmp_path)
    return bench.Place(here, home, tmp_path)


def test_the_cluster_has_five_nodes_and_lets_each_balancer_go(place: Any, bench: Any) -> None:
    home = load(place.home)
    assert len(home.nodes) == 5
    assert len(home.etcd_hosts) == 3
    assert set(load(place.here.spec).hosts) - set(home.hosts) == {bench.WORKER}
    for balancer in home.having(Role.LOAD_BALANCER):
        assert balancer not in load(place.without(balancer)).hosts


def test_masters_with_a_member_take_turns(place: Any, bench: Any) -> None:
    home = load(place.home)
    turns = [bench.masters(home, None, number) for number in range(3)]
    assert turns == ["master2", "master1", "master2"]


async def test_a_replacement_is_parted_where_its_second_run_began(
    place: Any, bench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unix = time.time()

    def command(*words: str) -> float:
        assert words[:2] == ("replace", "master2")
        for number, at in enumerate((unix + 1, unix + 7)):
            with journal.Journal("membership", f"20260101T00000{number}-abcdef") as written:
                written.record(RunStarted(at, written.run, "membership", 3))
        return 1.0

    monkeypatch.setattr(bench, "command", command)
    writer = Writer(tmp_path / "history.jsonl")
    await bench.replace(bench.Turn(place, "master2", Changes(writer, time.monotonic(), unix)))
    writer.close()
    lines = [json.loads(line) for line in writer.path.read_text().splitlines() if line]
    found = [Change(**line) for line in lines if line["k"] == "change"]
    assert [(each.name, each.detail.split()[0]) for each in found] == [
        ("leaves", "replace"), ("joins", "replace"),
    ]  # fmt: skip
    assert found[0].at == pytest.approx(7.0, abs=1e-3)
    assert found[1].begin == pytest.approx(7.0, abs=1e-3)


def figures(
    name: str, *, failed: int = 0, gap: float = 0.1, seconds: float = 10.0
) -> ChangeFigures:
    return ChangeFigures(name, "", seconds, 1000, failed, 0.0, gap, gap, {})


def run(*changes: ChangeFigures, doubts: tuple[str, ...] = ()) -> ChangedRun:
    return ChangedRun("r", ("master2",), changes, 500, (), (), doubts, 0.01, 5.0)


def rounds(bench: Any) -> list[Any]:
    dead = run(figures("power cut", failed=7, gap=0.5), figures("leaves", seconds=5.0),
               figures("joins", gap=0.6, seconds=30.0))  # fmt: skip
    return [
        bench.Round("master", "master2", False, 70.0, run(figures("leaves", failed=2))),
        bench.Round("master", "master1", True, 70.0, run(figures("leaves", gap=0.3))),
        bench.Round("master", "master2", False, 70.0, run(doubts=("late",))),
        bench.Round("dead-master", "master2", False, 80.0, dead),
        bench.Round("worker", "worker3", False, 18.0, None, ("lb1: haproxy",)),
    ]


def test_rounds_are_kept_and_come_to_tables(place: Any, bench: Any) -> None:
    for each in rounds(bench):
        place.rounds.keep(each)
    kept = place.rounds.all()
    assert kept == rounds(bench)
    told = bench.report(kept)
    assert (
        "| master leaves | 2 | 0.20, 0.30 | 0.20, 0.30 | 1, 2 | 2 | 10.0, 10.0 | 0 of 1500 |"
        in told
    )
    assert "master: 1 rounds are void" in told
    assert "gaps beyond the power cut's own: in 1 of 1 rounds" in told
    assert "| 1.17 x | 1.17 | 1.17 | 1 | <= 1.5 x | met |" in told
    assert "restarted elsewhere when a worker joined (1 times): lb1: haproxy" in told


def test_only_rounds_that_are_missing_are_made_and_void_ones_do_not_count(
    place: Any, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in rounds(bench):
        place.rounds.keep(each)
    made: list[int] = []

    async def probed_round(_place: Any, kind: str, number: int) -> Any:
        made.append(number)
        return replace(rounds(bench)[0], kind=kind)

    monkeypatch.setattr(bench, "probed_round", probed_round)
    bench.make(place, ["master"], 3)
    assert made == [3]
    bench.make(place, ["master"], 3)
    assert made == [3]


def test_a_process_that_is_another_one_afterwards_is_named(bench: Any) -> None:
    before = {"lb1": frozenset({"haproxy 5 100", "keepalived 6 100"})}
    assert bench.restarted(before, {"lb1": before["lb1"] | {"haproxy 9 200"}}) == ()
    after = {"lb1": frozenset({"haproxy 5 200", "keepalived 6 100"})}
    assert bench.restarted(before, after) == ("lb1: haproxy",)
