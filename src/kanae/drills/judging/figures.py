"""Figures from requests: gaps, failed seconds, percentiles. Pure.

The longest gap of a lane (one kept connection, or the stream of new connections)
    For a success that began at s, the next one that was *answered first* among those that began
    after s was answered at e: no user is known to have been served by anything begun in between.
    The gap is e - s. It is an upper bound of the true outage, too long by up to one period plus a
    latency, never too short; with nothing wrong it is about one period.
The wait for a success
    For any request that began at s, failed or not: the time until the first success among those
    that began at s or later. What a user who begins at s and tries again every period waits. A
    lower bound of the outage.
The longest wait of a single request
    For any request, failed or not: the time from when it was due until its outcome was known, be
    that an answer, an error or the prober's own deadline. What whoever waits for this one request
    waits: neither figure above sees a write that hangs for 6 s while others succeed.
The figure of a stream is that of its worst lane.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kanae.drills.records import BOUNDS, Lag, Request


@dataclass(frozen=True, slots=True)
class Gap:
    """begin, end: seconds of history time. open: nothing succeeded until the window's end."""

    begin: float
    end: float
    open: bool = False

    @property
    def seconds(self) -> float:
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from when a request was due to its answer, over successes. count: how many."""

    count: int
    p50: float
    p90: float
    p99: float
    worst: float


class _Successes:
    """The successes of one lane by start, with the earliest end from each one on."""

    def __init__(self, requests: Iterable[Request]) -> None:
        found = sorted((r.at, r.end) for r in requests if r.ok)
        self.starts = [at for at, _ in found]
        self.first_end = [end for _, end in found]
        for i in range(len(found) - 2, -1, -1):
            self.first_end[i] = min(self.first_end[i], self.first_end[i + 1])

    def served(self, index: int, end: float) -> tuple[float, bool]:
        """When a user with the attempts from `index` on is served; the window's end if never."""
        if index < len(self.first_end):
            return self.first_end[index], False
        return end, True


def longest_gap(
    requests: Sequence[Request], begin: float, end: float, until: float | None = None
) -> Gap:
    """Of one lane between two times: gaps that end after `begin`, and whose first request that was
    not served at once was due before `end`.

    A success before `begin` opens a gap too, so that an outage that starts right at `begin` is
    measured whole. until: when the workload ended, `end` by default; a gap is measured whole up
    to then. With no success at all the gap is all of it. One that nothing ended lasts until
    `until`, or the last request's end if that is later.
    """
    until = end if until is None else until
    due = [request for request in requests if request.at < until]
    successes = _Successes(due)
    first = bisect_right(successes.starts, begin) - 1
    # What was due right before `end` is the last success that can open a gap of this window.
    last = max((request.at for request in due if request.at < end), default=begin)
    starts = successes.starts[max(first, 0) : bisect_left(successes.starts, last)]
    opened = ([begin] if first < 0 else []) + starts
    # Answers to requests of the window may come after it.
    end = max([until, *(request.end for request in due)])
    best = Gap(begin, begin)
    for start in opened:
        served, open_ended = successes.served(bisect_right(successes.starts, start), end)
        # Nothing was due between the last success and the window's end: that is no outage.
        if open_ended and not any(start < request.at for request in due):
            continue
        if served > begin and served - start > best.seconds:
            best = Gap(start, served, open_ended)
    return best


def wait_for_success(
    requests: Sequence[Request], begin: float, end: float, until: float | None = None
) -> float:
    """Of one lane, for requests due between two times. Seconds; 0 without any. until: as above."""
    until = end if until is None else until
    due = [request for request in requests if request.at < until]
    successes = _Successes(due)
    last = max([until, *(request.end for request in due)])
    waits = [
        successes.served(bisect_left(successes.starts, request.at), last)[0] - request.at
        for request in due
        if begin <= request.at < end
    ]
    return max(waits, default=0.0)


def longest_request(requests: Iterable[Request], begin: float, end: float, since: float) -> float:
    """Seconds of the longest of those due between two times that were still without an outcome at
    `since`; 0 without any. One that was under way when a fault struck is the fault's too.
    """
    return max((r.latency for r in requests if begin <= r.at < end and r.end > since), default=0.0)


def failed_seconds(requests: Iterable[Request], period: float, *, serial: bool = False) -> float:
    """Time covered by failed requests, each standing for one period from when it was due; in a
    serial lane, where no other is sent meanwhile, for as long as it took if that was longer.

    Overlaps count once. OpenShift's "disruption seconds" with a period of one second.
    """
    total, covered = 0.0, -math.inf
    for request in sorted((r for r in requests if not r.ok), key=lambda r: r.at):
        end = max(request.at + period, request.end if serial else 0.0)
        total += max(0.0, end - max(request.at, covered))
        covered = max(covered, end)
    return total


def withheld(requests: Iterable[Request], period: float, begin: float, end: float) -> int:
    """How many requests serial lanes did not send between two times, since they waited for the
    answers to others.
    """
    waited = 0.0
    for request in requests:
        # It stands for its own period, in the part of the run in which it was due.
        since = request.at + period if request.at >= begin else begin
        waited += max(0.0, min(request.end, end) - since)
    return int(waited / period)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank of an ascending sequence; share from 0 to 1. NaN when it is empty."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def latency(requests: Iterable[Request]) -> Latency:
    values = sorted(request.latency for request in requests if request.ok)
    return Latency(
        count=len(values),
        p50=percentile(values, 0.5),
        p90=percentile(values, 0.9),
        p99=percentile(values, 0.99),
        worst=values[-1] if values else math.nan,
    )


def lag_at(lags: Iterable[Lag], share: float) -> float:
    """Upper bound of the prober's own lag at a share (0 to 1) of all its requests, seconds."""
    counts = [0] * (len(BOUNDS) + 1)
    worst = 0.0
    for lag in lags:
        worst = max(worst, lag.worst)
        for i, count in enumerate(lag.counts):
            counts[i] += count
    wanted, seen = math.ceil(share * sum(counts)), 0
    for bound, count in zip(BOUNDS, counts, strict=False):
        seen += count
        if seen >= wanted:
            return min(bound, worst)
    return worst
