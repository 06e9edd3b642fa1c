"""What was felt while a cluster was changed by one that manages it, from a history. Pure.

Nothing is broken on purpose there, so each change is judged by itself: by all that was due from its
beginning to that of the next one, or to the end of the workload.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kanae.drills.judging import accounts, figures, validity
from kanae.drills.judging.checker import broken_promises
from kanae.drills.records import ENDPOINT, Change, History, Request, Stream


@dataclass(frozen=True, slots=True)
class ChangeFigures:
    """Requests through the endpoint, by the definitions of `figures`.

    seconds: how long the change took. requests, failed: those that were due then; of the first
    change also those under way at its beginning that failed. failed_seconds: of the worst stream.
    gaps: the longest on a new connection and on a kept one. errors: kind of error -> how many.
    """

    name: str
    detail: str
    seconds: float
    requests: int
    failed: int
    failed_seconds: float
    new_gap: float
    kept_gap: float
    errors: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ChangedRun:
    """broken: what must never happen and did. doubts: why nothing can be said of the run.

    lag_p99: how late the prober itself began its requests. load: the highest load average of its
    machine.
    """

    run: str
    targets: tuple[str, ...]
    changes: tuple[ChangeFigures, ...]
    acknowledged: int
    lost: tuple[str, ...]
    broken: tuple[str, ...]
    doubts: tuple[str, ...]
    lag_p99: float
    load: float | None


def judge(history: History) -> ChangedRun:
    """All changes of a run, in their order."""
    last = max((request.end for request in history.requests), default=0.0)
    stop = history.phase("stop")
    stop = last if stop is None else stop
    steady = history.phase("steady") or 0.0
    begins = [change.begin for change in history.changes]
    ends = [*begins[1:], stop][: len(begins)]
    # One that was under way when nothing had been changed yet, and failed, is the first change's.
    struck = [r for r in history.requests if not r.ok and begins and r.at < begins[0] <= r.end]
    writes = accounts.writes(history)
    watches = [accounts.watch(history, each) for each in history.header.streams
               if each.kind == "watch"]  # fmt: skip
    return ChangedRun(
        run=history.header.run,
        targets=history.header.targets,
        changes=tuple(
            _figures(history, change, end, stop, () if number else struck)
            for number, (change, end) in enumerate(zip(history.changes, ends, strict=True))
        ),
        acknowledged=writes.acknowledged,
        lost=writes.lost,
        broken=tuple(broken_promises(history, writes, watches)),
        doubts=tuple(_doubts(history, steady, begins)),
        lag_p99=figures.lag_at([lag for lag in history.lags if lag.at >= steady], 0.99),
        load=max((machine.load for machine in history.machine), default=None),
    )


def _figures(
    history: History, change: Change, end: float, stop: float, struck: Sequence[Request]
) -> ChangeFigures:
    begin = change.begin
    streams = {
        stream.id: stream
        for stream in history.header.streams
        if stream.route == ENDPOINT and stream.kind != "watch"
    }
    judged: dict[int, list[Request]] = {number: [] for number in streams}
    due = [request for request in history.requests if begin <= request.at < end]
    for request in (*struck, *due):
        if request.stream in streams:
            judged[request.stream].append(request)
    every = [request for requests in judged.values() for request in requests]

    def gap(connection: str) -> float:
        chosen = [stream for stream in streams.values() if stream.connection == connection]
        return max((_gap(history, each, begin, end, stop) for each in chosen), default=0.0)

    return ChangeFigures(
        name=change.name,
        detail=change.detail,
        seconds=change.seconds,
        requests=len(every),
        failed=sum(not request.ok for request in every),
        failed_seconds=max(
            (figures.failed_seconds(judged[each.id], each.period) for each in streams.values()),
            default=0.0,
        ),
        new_gap=gap("new"),
        kept_gap=gap("kept"),
        errors=Counter(
            f"http {request.status}" if request.outcome == "http" else request.outcome
            for request in every
            if not request.ok
        ),
    )


def _gap(history: History, stream: Stream, begin: float, end: float, stop: float) -> float:
    """Of its worst lane."""
    lanes: dict[int, list[Request]] = defaultdict(list)
    for request in history.requests:
        if request.stream == stream.id:
            lanes[request.lane].append(request)
    found = (figures.longest_gap(lanes[n], begin, end, stop) for n in range(stream.lanes))
    return max(gap.seconds for gap in found)


def _doubts(history: History, steady: float, begins: Sequence[float]) -> list[str]:
    found = validity.cut_short(history)
    found += validity.unmeasured(history, history.header.validity, steady)
    found += [
        f"unhealthy before: {problem}" for health in history.health for problem in health.problems
    ]
    if not begins:
        return [*found, "nothing was changed"]
    served = [request for request in history.requests if steady <= request.at < begins[0]]
    if not served:
        found.append("nothing was asked before the first change")
    failed = sum(not request.ok and request.end < begins[0] for request in served)
    if failed:
        found.append(f"unhealthy before: {failed} requests failed")
    return found
