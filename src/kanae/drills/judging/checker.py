"""From a history to a verdict. Pure: the same history always gives the same verdict.

Order of seriousness: what must never happen (an acknowledged write lost, a watch out of order or
with a gap, members that differ) fails a run even when it would be void; then reasons to call it
void; then limits that were not met.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from kanae.drills.judging import accounts, figures, leaders, metrics, validity
from kanae.drills.judging.verdict import (
    Result,
    StreamFigures,
    Verdict,
    WatchFigures,
    Window,
    Writes,
)
from kanae.drills.records import BACKUP, History, Request, Stream

_SHOWN = 3  # how many examples a reason names


class _Windows:
    """The parts of a run. Missing phases collapse to the last known time."""

    def __init__(self, history: History) -> None:
        last = max((r.end for r in history.requests), default=0.0)
        self.stop = _first(history.phase("stop"), last)
        self.steady = _first(history.phase("steady"), history.phase("warm-up"), 0.0)
        self.fault = _first(history.fault("inject"), history.phase("fault"), self.stop)
        self.after = _first(history.phase("after"), self.stop)
        undone = history.fault("undo")
        self.undo = _first(undone, self.fault)
        # The fault's own part; what is not undone lasts until the end.
        self.until = _first(undone, self.stop)

    def counts_at(self, request: Request) -> float:
        """When it was due; a request that was under way when the fault struck, and failed, is
        the fault's.
        """
        struck = not request.ok and request.at < self.fault <= request.end
        return self.fault if struck else request.at

    def wait_before(self, requests: Iterable[Request]) -> float:
        """The longest that one of what was due before the fault had waited when the fault struck,
        or until its answer."""
        waits = (
            min(request.end, self.fault) - request.at
            for request in requests
            if self.steady <= request.at < self.fault
        )
        return max(waits, default=0.0)

    def named(self) -> tuple[tuple[str, float, float], ...]:
        return (
            ("before", self.steady, self.fault),
            ("during", self.fault, self.after),
            ("after", self.after, self.stop),
        )


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def check(
    history: History,
    limits: Mapping[str, float] | None = None,
    bounds: Mapping[str, float] | None = None,
    leader_limits: Mapping[str, float] | None = None,
) -> Verdict:
    """Judge a run. limits, bounds (of validity): as in the history's header unless given.

    leader_limits: apply instead when the fault took etcd's leader; the header's go with its limits.
    """
    if limits is None:
        limits, leader_limits = history.header.limits, history.header.leader_limits
    took_leader = leaders.taken(history)
    if took_leader and leader_limits:
        limits = {**limits, **leader_limits}
    bounds = history.header.validity if bounds is None else bounds
    windows = _Windows(history)
    requests: dict[int, list[Request]] = defaultdict(list)
    for request in history.requests:
        requests[request.stream].append(request)
    streams = tuple(
        _stream(stream, requests[stream.id], windows, history)
        for stream in history.header.streams
        if stream.kind != "watch"
    )
    writes = accounts.writes(history)
    watches = tuple(
        accounts.watch(history, stream, windows.fault, windows.until)
        for stream in history.header.streams
        if stream.kind == "watch"
    )
    heals: dict[str, float | None] = {heal.what: heal.seconds for heal in history.heals}
    proofs = {proof.name: proof.seconds if proof.ok else None for proof in history.proofs}
    changes = leaders.changes(history)
    judgements = metrics.judge(limits, streams, watches, heals, proofs, changes)
    broken = broken_promises(history, writes, watches)
    void = validity.doubts(history, bounds, streams, windows.steady, windows.fault)
    unmet = [judgement for judgement in judgements if not judgement.met]
    other = [f"proof {p.name} failed: {p.detail}" for p in history.proofs if not p.ok]
    other += [
        f"unhealthy at the end: {problem}"
        for health in history.health
        if health.when == "after"
        for problem in health.problems
    ]
    if unmet and not other:
        void += validity.slowness(history, bounds, streams, unmet, windows.fault, windows.until)
    missed = [*map(metrics.shortfall, unmet), *other]
    if broken:
        result = Result.FAILED
    elif void:
        result = Result.VOID
    else:
        result = Result.FAILED if missed else Result.PASSED
    steady_lags = [lag for lag in history.lags if lag.at >= windows.steady]
    spans = [lag.cpu for lag in steady_lags]
    header = history.header
    return Verdict(
        run=header.run,
        drill=header.drill,
        balancer=header.balancer,
        targets=header.targets,
        result=result,
        reasons=tuple(broken + void + missed),
        judgements=judgements,
        streams=streams,
        writes=writes,
        watches=watches,
        leader_changes=changes,
        heals=heals,
        proofs=proofs,
        evidence=history.evidence,
        lag_p50=figures.lag_at(steady_lags, 0.5),
        lag_p99=figures.lag_at(steady_lags, 0.99),
        lag_worst=max((lag.worst for lag in steady_lags), default=0.0),
        cpu=sum(spans) / len(spans) if spans else 0.0,
        load=max((machine.load for machine in history.machine), default=None),
        prober=header.prober,
        clock_error=max((clock.error for clock in history.clocks), default=None),
        took_leader=took_leader,
        single_balancer=header.single_balancer,
        inside=header.inside,
        backups=tuple(change for change in history.changes if change.name == BACKUP),
        restored=history.restored,
    )


def _stream(
    stream: Stream, requests: Sequence[Request], windows: _Windows, history: History
) -> StreamFigures:
    serial = stream.connection == "serial"
    parts: list[Window] = []
    for name, begin, end in windows.named():
        here = [request for request in requests if begin <= windows.counts_at(request) < end]
        parts.append(
            Window(
                name=name,
                due=int(max(0.0, end - begin) / stream.period) * stream.lanes,
                sent=sum(begin <= request.at < end for request in requests),
                withheld=figures.withheld(requests, stream.period, begin, end) if serial else 0,
                failed=sum(not request.ok for request in here),
                latency=figures.latency(here),
            )
        )
    lanes: dict[int, list[Request]] = defaultdict(list)
    for request in requests:
        lanes[request.lane].append(request)
    gaps = [
        figures.longest_gap(lanes[lane], windows.fault, windows.until, windows.stop)
        for lane in range(stream.lanes)
    ]
    on_return = [
        figures.longest_gap(lanes[lane], windows.until, windows.stop).seconds
        for lane in range(stream.lanes)
    ]
    judged = [
        request
        for request in requests
        if windows.fault <= windows.counts_at(request) < windows.stop
    ]
    return StreamFigures(
        stream=stream,
        windows=tuple(parts),
        gap=max(gaps, key=lambda gap: gap.seconds),
        gap_on_return=max(on_return),
        wait_before=windows.wait_before(requests),
        wait=max(
            figures.wait_for_success(lanes[lane], windows.fault, windows.until, windows.stop)
            for lane in range(stream.lanes)
        ),
        longest_wait=figures.longest_request(requests, -math.inf, windows.until, windows.fault),
        longest_wait_on_return=figures.longest_request(
            requests, windows.until, windows.stop, windows.until
        ),
        failed=sum(not request.ok for request in judged),
        failed_on_return=sum(not r.ok and r.at >= windows.undo for r in judged),
        failed_seconds=figures.failed_seconds(judged, stream.period, serial=serial),
        errors=Counter(
            f"http {request.status}" if request.outcome == "http" else request.outcome
            for request in judged
            if not request.ok
        ),
        late=sum(late.stream == stream.id for late in history.late),
    )


def _examples(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def broken_promises(history: History, writes: Writes, watches: Iterable[WatchFigures]) -> list[str]:
    """What must never happen, whatever was done to the cluster."""
    found: list[str] = []
    if writes.lost:
        found.append(f"{len(writes.lost)} acknowledged writes lost: {_examples(writes.lost)}")
    if writes.differing:
        found.append(f"read-backs differ by {len(writes.differing)}: {_examples(writes.differing)}")
    for watch in watches:
        for name, items in (
            ("out of order or twice", watch.disorder),
            ("events missing", watch.missed),
            ("another revision than acknowledged", watch.wrong_revision),
        ):
            if items:
                found.append(f"watch through {watch.route}: {name}: {_examples(items)}")
        if history.restored and not watch.expired:
            # It goes on from a revision after which other things have happened than it was told.
            found.append(f"watch through {watch.name}: was not told to start again (410)")
    for hashes in history.hashes:
        values = {value for value in hashes.hashes.values() if value is not None}
        if len(values) > 1:
            found.append(f"etcd members differ at revision {hashes.revision}: {hashes.hashes}")
    return found
