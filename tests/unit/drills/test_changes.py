"""Changes of a living cluster under probers: recorded as they are made, judged from the history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from drill_bench import Bench
from drill_histories import (
    KEPT_READ,
    NEW_READ,
    NEW_WRITE,
    STEADY,
    VALIDITY,
    due,
    good,
    outage,
    with_request,
)

from kanae.drills.judging import history
from kanae.drills.judging.changes import judge
from kanae.drills.probing.workload import Load
from kanae.drills.records import Change, Header, Health, History
from kanae.drills.running import run_folder
from kanae.drills.running.changing import Watched, watched
from kanae.errors import StepFailed

LEAVES, JOINS, STOP = 13.0, 23.0, 43.0
# What becomes of requests to a server that stops.
ENDED = {"refused", "reset", "eof"}


def changed(run: History | None = None) -> History:
    """A host leaves within 6 s and another one joins within 15."""
    found = good() if run is None else run
    changes = (Change(LEAVES + 6, "leaves", 6.0), Change(JOINS + 15, "joins", 15.0))
    return replace(found, faults=(), evidence=(), changes=changes)


def test_a_change_that_nobody_felt_has_no_failures_and_gaps_of_a_period() -> None:
    run = judge(changed())
    assert [(each.name, each.seconds, each.failed) for each in run.changes] == [
        ("leaves", 6.0, 0), ("joins", 15.0, 0),
    ]  # fmt: skip
    assert all(each.new_gap < 0.2 and each.kept_gap < 0.2 for each in run.changes)
    assert (run.broken, run.doubts, run.lost) == ((), (), ())
    # Ten requests a second of each of the ten lanes through the endpoint.
    assert run.changes[0].requests == pytest.approx((JOINS - LEAVES) * 100, abs=10)


def test_a_failed_request_counts_to_the_change_that_it_was_due_in() -> None:
    good_run = changed()
    old = due(good_run, NEW_READ.id, LEAVES + 8)
    run = judge(with_request(good_run, old, replace(old, outcome="reset", status=0)))
    assert [each.failed for each in run.changes] == [1, 0]
    assert run.changes[0].errors == {"reset": 1}
    old = due(good_run, KEPT_READ.id, STOP - 1)
    run = judge(with_request(good_run, old, replace(old, outcome="http", status=503)))
    assert [each.failed for each in run.changes] == [0, 1]
    assert run.changes[1].errors == {"http 503": 1}


def test_what_was_under_way_when_the_first_change_began_is_its_failure() -> None:
    good_run = changed()
    old = due(good_run, NEW_READ.id, LEAVES - 1)
    run = judge(with_request(good_run, old, replace(old, outcome="timeout", end=LEAVES + 9)))
    assert [each.failed for each in run.changes] == [1, 0]
    assert run.doubts == ()


def test_an_outage_is_the_gap_of_its_change_and_of_its_kind_of_connection() -> None:
    run = judge(outage(changed(), NEW_READ.id, JOINS + 2, JOINS + 4))
    assert run.changes[0].new_gap < 0.2
    assert run.changes[1].new_gap == pytest.approx(2.1, abs=0.1)
    assert run.changes[1].kept_gap < 0.2
    assert run.changes[1].failed_seconds == pytest.approx(2.0, abs=0.1)


def test_a_lost_write_is_broken_and_named() -> None:
    good_run = changed()
    key = due(good_run, NEW_WRITE.id, LEAVES + 1).key
    backs = tuple(
        replace(back, keys=tuple(each for each in back.keys if each != key))
        for back in good_run.read_backs
    )
    run = judge(replace(good_run, read_backs=backs))
    assert run.lost == (key,)
    assert any("acknowledged writes lost" in what for what in run.broken)


def test_what_was_not_well_before_proves_nothing() -> None:
    good_run = changed()
    old = due(good_run, NEW_READ.id, STEADY + 1)
    failed = judge(with_request(good_run, old, replace(old, outcome="reset")))
    assert failed.doubts == ("unhealthy before: 1 requests failed",)
    sick = replace(good_run, health=(Health(0.0, "before", ("node m1 is not ready",)),))
    assert judge(sick).doubts == ("unhealthy before: node m1 is not ready",)
    assert judge(replace(good_run, changes=())).doubts == ("nothing was changed",)
    early = tuple(replace(each, at=0.1, seconds=0.1) for each in good_run.changes[:1])
    assert judge(replace(good_run, changes=early)).doubts == (
        "nothing was asked before the first change",
    )


# While it happens


async def compare() -> tuple[int, Mapping[str, int | None]]:
    return 1, {"m1": 1}


def given(bench: Bench) -> Watched:
    bench.load = Load(period=0.2, kept=1, direct=False)
    header = Header(
        "run", "removal", "c", "", {}, "haproxy", ("m1",), 0.0, bench.streams(), 10.0, {},
        {**VALIDITY, "max-lag-p99": 10.0},
    )  # fmt: skip
    credentials = bench.authority.credentials()
    return Watched(
        bench.folder,
        header,
        (bench.route,),
        credentials,
        compare,
        warm_up=0.0,
        steady=1.0,
        after=0.2,
    )


def read(bench: Bench) -> History:
    return history.read(bench.folder / f"{run_folder.HISTORY}.gz")


def failures(bench: Bench) -> int:
    """So far."""
    return sum(line["k"] == "request" and line["outcome"] != "ok" for line in bench.lines())


async def test_requests_that_fail_while_a_change_is_made_are_its_own(bench: Bench) -> None:
    async def removal() -> str:
        await bench.served(8)
        await bench.server.stop()
        await bench.until(lambda: failures(bench) > 3)
        await bench.server.start()
        await bench.served(8)
        return "removed"

    async def joining() -> None:
        await bench.served(8)

    async with watched(given(bench)) as changes:
        assert await changes.during("leaves", removal, "kanae apply") == "removed"
        await changes.during("joins", joining)
    run = judge(read(bench))
    leaves, joins = run.changes
    assert (leaves.name, leaves.detail, joins.name) == ("leaves", "kanae apply", "joins")
    assert leaves.failed > 0
    assert ENDED & leaves.errors.keys()
    # A busy machine may be slow, but nobody ended a connection then.
    assert not ENDED & joins.errors.keys()
    assert (run.broken, run.doubts) == ((), ())
    assert bench.server.deleted == ["/api/v1/namespaces/kanae-drill-run"]


async def test_a_change_that_fails_is_in_the_history_and_the_workload_ends(bench: Bench) -> None:
    async def failing() -> None:
        await bench.served(8)
        raise StepFailed("m1", "kubeadm join", 1, "no")

    with pytest.raises(StepFailed):
        async with watched(given(bench)) as changes:
            await changes.during("joins", failing)
    run = judge(read(bench))
    assert [each.name for each in run.changes] == ["joins"]
    assert any("cut short" in doubt for doubt in run.doubts)
    assert bench.server.deleted == ["/api/v1/namespaces/kanae-drill-run"]


async def test_dates_of_a_journal_are_found_in_the_history(bench: Bench, tmp_path: Path) -> None:
    async with watched(given(bench)) as changes:
        zero = changes.at(0.0)
        begin = changes.now()
        await bench.served(8)
        changes.record("leaves", begin, changes.now())
    assert -zero == pytest.approx(read(bench).header.zero, abs=1e-3)
