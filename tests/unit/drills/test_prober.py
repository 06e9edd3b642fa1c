"""The prober against a local server that stalls, refuses, resets, lies and closes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from drill_api_server import ApiServer
from drill_bench import Bench

from kanae.drills.judging.checker import check
from kanae.drills.judging.verdict import Result
from kanae.drills.probing.client import Credentials, tls_context
from kanae.drills.records import History, Request


def outcomes(run: History, connection: str = "any") -> Counter[str]:
    chosen = {s.id for s in run.header.streams if connection in ("any", s.connection)}
    return Counter(request.outcome for request in run.requests if request.stream in chosen)


async def nothing() -> None:
    """The fault of a run without one."""


async def test_a_calm_run_passes_and_every_acknowledged_write_is_read_back(bench: Bench) -> None:
    run = await bench.run(nothing)
    verdict = check(run)
    assert verdict.result is Result.PASSED, verdict.reasons
    assert set(outcomes(run)) == {"ok"}
    assert verdict.writes.acknowledged > 20
    assert [(w.missed, w.disorder, w.reopened) for w in verdict.watches] == [((), (), 0)] * 2
    assert verdict.proofs["final-write"] is not None
    # This server offers no HTTP/2.
    assert "kept connections spoke http/1.1" in [note.text for note in run.notes]


async def test_new_connections_are_new_and_kept_ones_are_kept(bench: Bench) -> None:
    run = await bench.run(nothing)
    ports: dict[str, set[tuple[int, int]]] = {"new": set(), "kept": set(), "serial": set()}
    for request in run.requests:
        stream = run.header.streams[request.stream]
        ports[stream.connection].add((request.stream, request.port))
    news = [r for r in run.requests if run.header.streams[r.stream].connection == "new"]
    assert len(ports["new"]) == len(news)
    assert all(r.handshake > 0 for r in news)
    assert len(ports["kept"]) == len(ports["serial"]) == 2 * 2  # reads and writes, two each


async def test_requests_are_dated_from_when_they_were_due_and_do_not_wait(bench: Bench) -> None:
    async def stall() -> None:
        faults = bench.server.faults
        faults.stalled = asyncio.Event()
        await bench.served(12)
        begun = time.monotonic()
        await bench.until(lambda: time.monotonic() - begun > 0.25)
        faults.stalled.set()
        faults.stalled = None

    run = await bench.run(stall)
    lane = [r for r in run.requests if r.stream == 3 and r.lane == 0]
    starts = [r.at for r in lane]
    assert all(abs(b - a - 0.05) < 1e-5 for a, b in pairwise(starts))
    assert max(r.latency for r in lane if r.ok) > 0.2
    worst = max(check(run).streams, key=lambda s: s.gap.seconds)
    assert worst.gap.seconds > 0.25
    assert set(outcomes(run)) == {"ok"}


async def test_a_serial_lane_sends_nothing_while_it_waits(bench: Bench) -> None:
    async def stall() -> None:
        faults = bench.server.faults
        faults.stalled = asyncio.Event()
        begun = time.monotonic()
        await bench.until(lambda: time.monotonic() - begun > 1.0)
        faults.stalled.set()
        faults.stalled = None

    run = await bench.run(stall)
    serial = {s.id for s in run.header.streams if s.connection == "serial"}
    lanes: dict[tuple[int, int], list[Request]] = {}
    for request in run.requests:
        if request.stream in serial:
            lanes.setdefault((request.stream, request.lane), []).append(request)
    assert len(lanes) == 2 * 2
    for requests in lanes.values():
        assert all(after.at >= before.end - 1e-5 for before, after in pairwise(requests))
        assert max(request.latency for request in requests) > 0.8
    verdict = check(run)
    assert set(outcomes(run)) == {"ok"}
    assert not [reason for reason in verdict.reasons if "too thin" in reason]
    for figures in verdict.streams:
        if figures.stream.connection == "serial":
            assert figures.longest_wait > 0.8
            assert figures.windows[1].withheld > 0


async def test_a_killed_server_resets_kept_connections_and_refuses_new_ones(bench: Bench) -> None:
    took: list[float] = []

    async def kill() -> None:
        stalled = time.monotonic()
        bench.server.faults.stalled = asyncio.Event()
        await bench.served(10)  # these are under way when it dies
        await bench.server.stop()
        bench.server.faults.stalled = None
        begun = time.monotonic()
        await bench.until(lambda: time.monotonic() - begun > 0.2)
        await bench.server.start()
        took.append(time.monotonic() - stalled)

    run = await bench.run(kill)
    kinds = outcomes(run)
    assert kinds["refused"] > 5
    assert kinds["reset"] + kinds["eof"] >= 1
    verdict = check(run)
    assert verdict.writes.lost == ()
    assert verdict.watches[0].reopened >= 1
    assert verdict.watches[0].missed == ()
    gap = max(stream.gap.seconds for stream in verdict.streams)
    assert 0.2 <= gap < took[0] + 2


async def test_an_answer_after_the_deadline_is_recorded_as_late(bench: Bench) -> None:
    bench.deadline = 0.5

    async def stall() -> None:
        bench.server.faults.stalled = gate = asyncio.Event()
        begun = time.monotonic()
        await bench.until(lambda: time.monotonic() - begun > 1.2)
        gate.set()
        bench.server.faults.stalled = None

    run = await bench.run(stall)
    assert outcomes(run)["timeout"] > 0
    assert run.late
    due = {(r.stream, r.lane, r.at) for r in run.requests if r.outcome == "timeout"}
    assert {(late.stream, late.lane, late.at) for late in run.late} <= due
    assert check(run).writes.lost == ()


async def test_an_orderly_close_fails_nothing(bench: Bench) -> None:
    async def close() -> None:
        bench.server.faults.last = True
        await bench.served(40)
        bench.server.faults.last = False

    run = await bench.run(close)
    assert set(outcomes(run, "kept")) == {"ok"}


async def test_a_server_that_says_come_again_is_obeyed(bench: Bench) -> None:
    async def busy() -> None:
        bench.server.faults.busy = 5
        await bench.until(lambda: bench.server.faults.busy == 0)

    run = await bench.run(busy)
    assert set(outcomes(run)) == {"ok"}
    assert sum(request.retries for request in run.requests) == 5


async def test_a_lying_server_is_caught(bench: Bench) -> None:
    async def lie() -> None:
        bench.server.faults.lose = 2
        await bench.until(lambda: bench.server.faults.lose == 0)

    verdict = check(await bench.run(lie))
    assert verdict.result is Result.FAILED
    assert len(verdict.writes.lost) == 2
    assert "acknowledged writes lost" in verdict.reasons[0]


async def test_errored_writes_are_neither_lost_nor_kept(bench: Bench) -> None:
    async def err() -> None:
        bench.server.faults.error_kept = 2
        bench.server.faults.error_dropped = 3
        await bench.until(lambda: bench.server.faults.error_dropped == 0)

    verdict = check(await bench.run(err))
    assert verdict.writes.lost == ()
    assert (verdict.writes.unknown, verdict.writes.unknown_kept) == (5, 2)


async def test_a_watch_that_swaps_events_is_caught(bench: Bench) -> None:
    async def swap() -> None:
        bench.server.faults.swap = 1
        await bench.until(lambda: bench.server.faults.swap == 0)

    verdict = check(await bench.run(swap))
    assert verdict.result is Result.FAILED
    assert "out of order" in verdict.reasons[0]


async def test_an_idle_watch_hears_of_what_is_rare_and_learns_of_its_loss(bench: Bench) -> None:
    async def lose() -> None:
        await bench.until(lambda: len(bench.server.store.rare) > 2)
        await bench.server.stop()
        begun = time.monotonic()
        await bench.until(lambda: time.monotonic() - begun > 0.3)
        await bench.server.start()

    run = await bench.run(lose)
    idle = next(s for s in run.header.streams if s.name == "endpoint serial watch")
    heard = [event.key for event in run.watch if event.stream == idle.id]
    assert heard == [key for _, key in bench.server.store.events if key in bench.server.store.rare]
    assert heard[-1] == "fence"
    assert 3 <= len(heard) < len(bench.server.store.events) / 3
    states = [state.state for state in run.watch_states if state.stream == idle.id]
    assert states[:2] == ["open", "failed"]
    figures = next(watch for watch in check(run).watches if watch.connection == "serial")
    assert (figures.missed, figures.disorder) == ((), ())


async def test_an_expired_watch_lists_anew_and_misses_nothing(bench: Bench) -> None:
    async def expire() -> None:
        bench.server.faults.expire = 1
        bench.server.reset()
        await bench.until(lambda: bench.server.faults.expire == 0)

    run = await bench.run(expire)
    watch = check(run).watches[0]
    assert watch.expired == 1
    assert (watch.missed, watch.disorder) == ((), ())


async def test_the_process_takes_its_key_from_standard_input_and_ends_with_it(
    bench: Bench, server: ApiServer
) -> None:
    process = await bench.spawn(deadline=0.5)
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"ready\n"
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert b"PRIVATE" not in arguments
        await bench.served(50)
        process.stdin.close()  # what the orchestrator's death looks like
        assert await process.stdout.readline() == b"finished\n"
        assert await process.wait() == 0
    lines = bench.lines()
    assert {"request", "lag", "read-back", "phase"} <= {line["k"] for line in lines}


def test_credentials_do_not_show_their_key() -> None:
    assert "secret" not in repr(Credentials("a", "c", "secret"))


def test_a_wrong_key_is_an_error(bench: Bench) -> None:
    good = bench.authority.credentials()
    with pytest.raises(OSError):
        tls_context(Credentials(good.authority, good.certificate, "no key"))
