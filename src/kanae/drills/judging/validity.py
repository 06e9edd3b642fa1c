"""What makes a run void: it proves nothing, whatever its figures are. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from kanae.drills.judging import figures, leaders
from kanae.drills.judging.verdict import StreamFigures
from kanae.drills.records import ENDPOINT, History


def doubts(
    history: History,
    bounds: Mapping[str, float],
    streams: Sequence[StreamFigures],
    steady: float,
    fault: float,
) -> list[str]:
    """Why nothing can be said of a run; empty when it is valid.

    bounds: see `[validity]` in thresholds.toml. steady: when the measured part began. fault: when
    the fault did.
    """
    found = cut_short(history)
    before = [health for health in history.health if health.when == "before"]
    if not before:
        found.append("no health check before the fault")
    found += [f"unhealthy before: {p}" for health in before for p in health.problems]
    if history.fault("injected") is None:
        found.append("the fault was not injected")
    elif not history.evidence:
        found.append("no evidence that the fault took effect")
    found += [
        f"the fault did not take effect: {e.name} on {e.host}: {e.detail}"
        for e in history.evidence
        if not e.took
    ]
    found += unmeasured(history, bounds, steady)
    for stream in streams:
        found += _thin(stream, bounds)
    return found + _unrest(history, bounds, streams, steady, fault)


def cut_short(history: History) -> list[str]:
    """Why a history is not that of a whole run."""
    found = [note.text for note in history.notes if note.level == "wrong"]
    if history.broken:
        found.append(f"{history.broken} records of the history are unreadable")
    if history.torn or history.phase("stop") is None:
        found.append("the history has no end: the run was cut short")
    return found


def unmeasured(history: History, bounds: Mapping[str, float], steady: float) -> list[str]:
    """What the prober and etcd's members did not tell, or not well enough."""
    found: list[str] = []
    if not [back for back in history.read_backs if not back.error]:
        found.append("no complete read-back: lost writes cannot be excluded")
    elif history.read_backs and any(back.error for back in history.read_backs):
        found += [f"read-back by {b.route}: {b.error}" for b in history.read_backs if b.error]
    if not history.hashes:
        found.append("etcd's members were not compared")
    for hashes in history.hashes:
        silent = [host for host, value in hashes.hashes.items() if value is None]
        if silent:
            found.append(f"etcd's members were not compared: no hash from {', '.join(silent)}")
    lags = [lag for lag in history.lags if lag.at >= steady]
    lag = figures.lag_at(lags, 0.99)
    if not lags:
        found.append("the prober did not report its own lag")
    elif lag > bounds["max-lag-p99"]:
        found.append(f"the prober itself was late: p99 {lag:.3f} s")
    return found + _unsure_of_time(history, bounds)


def _unrest(
    history: History,
    bounds: Mapping[str, float],
    streams: Sequence[StreamFigures],
    steady: float,
    fault: float,
) -> list[str]:
    """What was felt before the fault. None of it can be told from what the fault then did: a
    request that had long gone unanswered fails, or is answered, during the fault.
    """
    found: list[str] = []
    due_before = [request for request in history.requests if request.end < fault]
    for stream in (each.stream for each in streams):
        sent = [request for request in due_before if request.stream == stream.id]
        failed = sum(not request.ok for request in sent)
        # A host that is down from the beginning serves nobody.
        returns = history.header.fault == "return" and stream.route in history.header.targets
        down = returns or (stream.route != ENDPOINT and failed == len(sent))
        if failed > bounds["max-failed-before"] and not down:
            found.append(f"unhealthy before: {stream.name}: {failed} requests failed")
    # Histories of older runs have no such bound in their header.
    longest = bounds.get("max-wait-before", math.inf)
    found += [
        f"unhealthy before: {each.stream.name}: an answer took {each.wait_before:.3g} s"
        for each in streams
        if each.stream.route == ENDPOINT and each.wait_before > longest
    ]
    if changes := leaders.changes(history, steady, fault):
        found.append(f"unhealthy before: etcd's leader changed {changes} times")
    return found


def _unsure_of_time(history: History, bounds: Mapping[str, float]) -> list[str]:
    """A prober on another host dates by its own clock."""
    if not history.header.prober:
        return []
    found = [
        f"the clock of {clock.host} is not known well enough {clock.when} the workload:"
        f" dates may be wrong by {clock.error:.3f} s"
        for clock in history.clocks
        if clock.error > bounds.get("max-clock-error", math.inf)
    ]
    unmeasured = {"before", "after"} - {clock.when for clock in history.clocks}
    return found + [
        f"the clock of {history.header.prober} was not measured {when} the workload"
        for when in sorted(unmeasured)
    ]


def _thin(stream: StreamFigures, bounds: Mapping[str, float]) -> list[str]:
    found: list[str] = []
    for window in stream.windows:
        wanted = max(bounds["min-requests"], bounds["min-share"] * window.due)
        if window.sent < wanted:
            found.append(
                f"workload too thin: {stream.stream.name}: {window.sent} requests"
                f" {window.name}, wanted {wanted:.0f}"
            )
    return found
