"""Several runs: what is counted, what ends a series, and how short the parts of a run may be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from drill_cluster import Cluster
from drill_histories import FAULT, NEW_READ, NEW_WRITE, due, good, outage, taking_leader
from drill_setting import setting_of
from test_cli import code, save

from kanae.drills.judging import history
from kanae.drills.judging.checker import check
from kanae.drills.judging.series import SERIES_RESULT, SeriesResult, series
from kanae.drills.judging.verdict import Result, Verdict
from kanae.drills.probing.client import Route
from kanae.drills.probing.workload import Load
from kanae.drills.probing.writing import Writer
from kanae.drills.records import ENDPOINT, History, Machine, Note
from kanae.drills.running import run_folder
from kanae.drills.running.repeated_runs import repeat, whole_again
from kanae.drills.running.setting import Setting
from kanae.drills.scenarios.catalogue import DRILLS, find
from kanae.drills.scenarios.scenario import shortest
from kanae.errors import ConnectError, ConnectionLost, Refused, UsageError
from kanae.facts.model import Facts

LIMITS = {"new.any.gap": 0.4, "proof.deployment": 10.0}


def test_runs_are_counted_and_void_ones_give_no_figures() -> None:
    passing = good(limits={"new.any.gap": 0.4})
    failing = outage(passing, NEW_READ.id, FAULT, FAULT + 1)
    void = replace(outage(passing, NEW_READ.id, FAULT, FAULT + 5), evidence=())
    busy = replace(passing, machine=(Machine(1.0, 2, 0.5), Machine(9.0, 2, 3.5)))
    other = good(drill="return")
    found = series(check(run) for run in (passing, failing, void, busy, other))
    assert [each.drill for each in found] == ["power-cut", "return"]
    cut = found[0]
    assert (cut.runs, cut.passed, cut.failed, cut.void) == (4, 2, 1, 1)
    assert cut.load == 3.5
    assert cut.lost == 0
    assert cut.acknowledged == 4 * found[1].acknowledged
    gap = cut.spreads[0]
    assert (gap.metric, gap.runs, gap.limit, gap.met) == ("new.any.gap", 3, 0.4, False)
    assert (gap.least, gap.median) == (pytest.approx(0.105), pytest.approx(0.105))
    assert gap.most == pytest.approx(1.105)


def test_runs_in_which_etcds_leader_was_lost_are_a_series_of_their_own() -> None:
    run = good(limits={"new.any.gap": 0.4})
    lost = taking_leader(outage(run, NEW_READ.id, FAULT, FAULT + 1))
    lost = replace(lost, header=replace(lost.header, leader_limits={"new.any.gap": 1.5}))
    found = series(check(each) for each in (lost, run, lost, good(drill="return")))
    assert [(s.drill, s.took_leader, s.passed) for s in found] == [
        ("power-cut", False, 1), ("power-cut", True, 2), ("return", False, 1),
    ]  # fmt: skip
    usual, leader = found[0].spreads[0], found[1].spreads[0]
    assert (usual.most, usual.limit) == (pytest.approx(0.105), 0.4)
    assert (leader.least, leader.limit) == (pytest.approx(1.105), 1.5)


def test_a_metric_that_one_run_never_reached_has_no_figures() -> None:
    found = series([check(good(limits=LIMITS))])
    proof = next(each for each in found[0].spreads if each.metric == "proof.deployment")
    assert (proof.most, proof.met) == (None, False)


def test_lost_writes_are_counted_over_all_runs_void_ones_too() -> None:
    run = good()
    key = due(run, NEW_WRITE.id, 20).key
    backs = tuple(
        replace(back, keys=tuple(k for k in back.keys if k != key)) for back in run.read_backs
    )
    lost = replace(run, read_backs=backs)
    assert series([check(lost), check(run), check(replace(lost, evidence=()))])[0].lost == 2


def result_of(*runs: History) -> SeriesResult:
    verdicts = tuple(check(run) for run in runs)
    return SeriesResult(verdicts, series(verdicts))


def test_a_result_as_json_has_each_run_with_its_evidence_and_the_series() -> None:
    value = json.loads(SERIES_RESULT.dump_json(result_of(good(limits=LIMITS), good(limits=LIMITS))))
    assert [run["drill"] for run in value["runs"]] == ["power-cut"] * 2
    assert value["runs"][0]["evidence"][0]["took"] is True
    assert value["series"][0]["failed"] == 2
    assert {spread["metric"] for spread in value["series"][0]["spreads"]} == set(LIMITS)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (made for n in range(9) if not (made := tmp_path / f"r{n}").mkdir())


def begun(setting: Setting) -> None:
    """What a run writes before it can break off."""
    writer = Writer(setting.folder / run_folder.HISTORY)
    writer.write(replace(good().header, run=setting.run))
    writer.write(Note(1.0, "wrong", "cut short"))
    writer.close()


async def test_a_series_goes_on_after_bad_runs_and_ends_when_the_cluster_is_not_whole(
    cluster: Cluster, folders: Iterator[Path]
) -> None:
    async def prepare(turn: int) -> Setting:
        if turn == 3:
            raise Refused("node m3 is not ready")
        folder = next(folders)
        made = await setting_of(cluster.spec(), cluster.power, cluster.transport, folder)
        return replace(made, run=f"r{turn}")

    async def go(setting: Setting) -> Verdict:
        if setting.run == "r0":
            begun(setting)
            raise ConnectionLost("m3", "connection reset")
        run = good(limits={"new.any.gap": 0.4})
        return check(run if setting.run == "r2" else outage(run, NEW_READ.id, FAULT, FAULT + 1))

    result = await repeat(20, prepare, go)
    assert [run.result for run in result.runs] == [Result.VOID, Result.FAILED, Result.PASSED]
    assert result.stopped == "node m3 is not ready"
    assert (result.series[0].runs, result.series[0].void) == (3, 1)


async def test_a_single_run_that_breaks_off_raises_why(
    cluster: Cluster, folders: Iterator[Path]
) -> None:
    async def prepare(turn: int) -> Setting:
        folder = next(folders)
        return await setting_of(cluster.spec(), cluster.power, cluster.transport, folder)

    async def go(setting: Setting) -> Verdict:
        raise ConnectionLost("m3", "connection reset")

    with pytest.raises(ConnectionLost):
        await repeat(1, prepare, go)


async def test_a_refusal_before_the_first_run_is_raised() -> None:
    async def prepare(turn: int) -> Setting:
        raise Refused("m3 cannot be the target")

    with pytest.raises(Refused):
        await repeat(3, prepare)


async def test_the_next_run_waits_until_nothing_new_is_wrong(cluster: Cluster) -> None:
    spec = cluster.spec()
    asked: list[str] = []

    async def survey() -> Facts:
        asked.append("")
        if len(asked) == 1:
            raise ConnectionLost("m1", "connection reset")
        silent = {"m3": ConnectError("m3", "no answer")}
        return Facts({}, silent if len(asked) == 2 else {})

    before = [f"{host} is no node of the cluster" for host in ("m1", "m2", "m3")]
    await whole_again(spec, survey, before)
    assert len(asked) == 3

    async def broken() -> Facts:
        return Facts({}, {"m3": ConnectError("m3", "no answer")})

    with pytest.raises(Refused, match="m3 cannot be reached"):
        await whole_again(spec, broken, before, within=0.0)


ROUTES = (Route(ENDPOINT, "a", 1, "a"), Route("m1", "b", 1, "b"))


@pytest.mark.parametrize(("period", "kept"), [(0.1, 4), (0.1, 1), (0.5, 4), (0.03, 7)])
def test_the_shortest_time_gives_every_stream_enough_requests_wherever_it_begins(
    period: float, kept: int
) -> None:
    streams = Load(period, kept).streams(ROUTES)
    seconds = shortest(streams, 20)
    for stream in streams:
        if stream.kind != "watch":
            fewest = stream.lanes * int(seconds / stream.period + 1e-9)
            assert fewest >= 20
    assert seconds < 2 * (20 * period * 1.5 + period * kept), "reads and writes take turns"


def test_every_drill_has_time_enough_at_the_usual_load() -> None:
    streams = Load().streams(ROUTES)
    for drill in DRILLS.values():
        drill.require_time(streams, 20)
    with pytest.raises(UsageError, match="would be void"):
        replace(find("power-cut"), steady=1.0).require_time(streams, 20)


def test_a_part_too_short_is_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert code("run", "power-cut", "examples/vip.yaml", "--yes", "--after", "1") == 2
    assert "--after 5" in capsys.readouterr().err


def test_load_average_is_read_back(tmp_path: Path) -> None:
    assert history.read(save(good(), tmp_path / "run.jsonl")).machine == good().machine
