"""What makes a run void: it proves nothing, whatever its figures are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kanae.drills.judging import figures
from kanae.drills.judging.verdict import StreamFigures
from kanae.drills.records import ENDPOINT, History


def doubts(
    history: History,
    bounds: Mapping[str, float],
    streams: Iterable[StreamFigures],
    steady: float,
) -> list[str]:
    """Why nothing can be said of a run; empty when it is valid.

    bounds: see `[validity]` in thresholds.toml. steady: when the measured part began.
    """
    found: list[str] = []
    found += [note.text for note in history.notes if note.level == "wrong"]
    if history.broken:
        found.append(f"{history.broken} records of the history are unreadable")
    if history.torn or history.phase("stop") is None:
        found.append("the history has no end: the run was cut short")
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
    found += _unsure_of_time(history, bounds)
    for stream in streams:
        found += _thin(stream, bounds)
    failed = sum(
        window.failed
        for stream in streams
        if stream.stream.route == ENDPOINT
        for window in stream.windows
        if window.name == "before"
    )
    if failed > bounds["max-failed-before"]:
        found.append(f"unhealthy before: {failed} requests through the endpoint failed")
    return found


def _unsure_of_time(history: History, bounds: Mapping[str, float]) -> list[str]:
    """A prober on another host dates by its own clock."""
    if not history.header.prober:
        return []
    found = [
        f"the clock of {clock.host} is not known well enough {clock.when} the workload:"
        f" dates may be wrong by {clock.error:.3f} s"
        for clock in history.clocks
        if clock.error > bounds["max-clock-error"]
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
