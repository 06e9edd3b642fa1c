"""Synthetic histories: a good run, in which tests plant what must be found."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from kanae.drills.probing.client import Route
from kanae.drills.probing.workload import Load
from kanae.drills.records import (
    BEAT,
    BOUNDS,
    CONTROL,
    DNS,
    ENDPOINT,
    INSIDE,
    Evidence,
    FaultEvent,
    Hashes,
    Header,
    Heal,
    Health,
    History,
    Lag,
    Leader,
    Machine,
    Phase,
    Proof,
    ReadBack,
    Request,
    WatchEvent,
    WatchState,
)

STEADY, FAULT, UNDO, AFTER, STOP = 3.0, 13.0, 23.0, 33.0, 43.0
VALIDITY = {
    "min-requests": 20.0,
    "min-share": 0.8,
    "max-lag-p99": 0.05,
    "max-clock-error": 0.02,
    "max-failed-before": 0.0,
    "max-wait-before": 1.0,
    "max-control-wait": 1.0,
}
ROUTES = (
    Route(ENDPOINT, "10.0.0.9", 6443, "10.0.0.9"),
    Route("m1", "10.0.0.10", 6443, "10.0.0.10"),
    Route(INSIDE, "10.96.0.1", 443, "10.96.0.1"),
    Route(DNS, "10.96.0.10", 53, "kubernetes.default.svc.cluster.local"),
    Route(CONTROL, "127.0.0.1", 10248, "127.0.0.1"),
)
STREAMS = Load(period=0.1, kept=4).streams(ROUTES)
NEW_READ = next(s for s in STREAMS if s.kind == "read" and s.connection == "new")
KEPT_READ = next(s for s in STREAMS if s.kind == "read" and s.connection == "kept")
KEPT_WRITE = next(s for s in STREAMS if s.kind == "write" and s.connection == "kept")
NEW_WRITE = next(s for s in STREAMS if s.kind == "write" and s.connection == "new")
SERIAL_WRITE = next(s for s in STREAMS if s.kind == "write" and s.connection == "serial")
IDLE_WATCH = next(s for s in STREAMS if s.kind == "watch" and s.connection == "serial")
WATCH = next(s for s in STREAMS if s.kind == "watch")


def good(drill: str = "power-cut", limits: dict[str, float] | None = None) -> History:
    """A run in which nothing was felt: every request takes 5 ms, every write is read back."""
    run = _good()
    return replace(run, header=replace(run.header, drill=drill, limits=limits or {}))


@cache
def _good() -> History:
    requests: list[Request] = []
    events: list[WatchEvent] = []
    revision = 1000
    for stream in STREAMS:
        if stream.kind == "watch":
            continue
        for lane in range(stream.lanes):
            for n in range(int(STOP / stream.period)):
                at = round(n * stream.period + lane * 0.01, 6)
                kind = BEAT if stream == NEW_WRITE and n % 10 == 5 else "w-"
                key = f"{kind}{stream.id}-{lane}-{n}" if stream.kind == "write" else ""
                requests.append(
                    Request(stream.id, lane, at, at, at + 0.005, "ok", 200, 4000 + lane, key=key)
                )
    writes = sorted((r for r in requests if r.key), key=lambda r: r.at)
    revisions: dict[str, int] = {}
    for write in writes:
        revision += 1
        revisions[write.key] = revision
    requests = [replace(r, revision=revisions.get(r.key, 0)) for r in requests]
    for stream in STREAMS:
        if stream.kind == "watch":
            events += [
                WatchEvent(stream.id, w.end + 0.002, "ADDED", revisions[w.key], w.key)
                for w in writes
                if stream.connection == "kept" or w.key.startswith(BEAT)
            ]
    keys = tuple(sorted(revisions))
    return History(
        header=Header(
            "r1", "power-cut", "c", "d", {"kubernetes": "v1.37.2"}, "haproxy", ("m1",), 1.0,
            STREAMS, 10.0, {}, VALIDITY, inside="w1",
        ),
        phases=(
            Phase(0.0, "warm-up"), Phase(STEADY, "steady"), Phase(FAULT, "fault"),
            Phase(UNDO, "recovery"), Phase(AFTER, "after"), Phase(STOP, "stop"),
        ),
        requests=tuple(sorted(requests, key=lambda r: r.at)),
        watch=tuple(events),
        watch_states=tuple(
            WatchState(s.id, 0.0, "open", 1000) for s in STREAMS if s.kind == "watch"
        ),
        faults=(
            FaultEvent(FAULT, "inject"), FaultEvent(FAULT + 0.1, "injected"),
            FaultEvent(UNDO, "undo"), FaultEvent(UNDO + 0.1, "undone"),
        ),
        evidence=(Evidence(FAULT + 2, "silence", "m1", True, "silent"),),
        health=(Health(0.0, "before", ()), Health(STOP, "after", ())),
        leaders=(Leader(1.0, "a"), Leader(20.0, "a")),
        hashes=(Hashes(STOP, 2000, {"m1": 7, "m2": 7, "m3": 7}),),
        heals=(
            Heal(UNDO + 5, "host", 5.0), Heal(UNDO + 8, "node", 8.0),
            Heal(UNDO + 9, "redundancy", 9.0),
        ),
        proofs=(Proof(STOP, "final-write", True, 0.01, ""),),
        read_backs=(
            ReadBack(STOP + 1, ENDPOINT, 3000, keys), ReadBack(STOP + 1, "m1", 3000, keys),
        ),
        lags=(Lag(STOP, (5000, *(0,) * len(BOUNDS)), 0.0009, 0.1),),
        machine=(Machine(STEADY, 2, 0.5),),
    )  # fmt: skip


def taking_leader(history: History, host: str = "m1", fault: str = "cut") -> History:
    """The run with a fault of m1 while etcd's leader is on a host; then another one is elected."""
    return replace(
        history,
        header=replace(history.header, fault=fault),
        leaders=(Leader(1.0, "a", host), Leader(FAULT + 1, "a"), Leader(20.0, "b", "m2")),
    )


def with_request(history: History, old: Request, new: Request) -> History:
    return replace(history, requests=tuple(new if r is old else r for r in history.requests))


def due(history: History, stream: int, at: float, lane: int = 0) -> Request:
    """The first request of a lane that is due at a time or later."""
    return next(
        r for r in history.requests if (r.stream, r.lane) == (stream, lane) and r.at >= at - 1e-9
    )


def outage(history: History, stream: int, begin: float, end: float, lane: int = 0) -> History:
    """Requests of a lane due in between fail at once."""
    return replace(
        history,
        requests=tuple(
            replace(r, outcome="refused", status=0)
            if (r.stream, r.lane) == (stream, lane) and begin <= r.at < end
            else r
            for r in history.requests
        ),
    )
