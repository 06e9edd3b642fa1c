"""The metrics that limits are set for: how each is called, and its value in a run. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from kanae.drills.judging.verdict import Judgement, StreamFigures, WatchFigures
from kanae.drills.records import ENDPOINT, Stream

# Of a stream: the end of a metric's name -> its value.
_FIGURES: Mapping[str, Callable[[StreamFigures], float]] = {
    "gap": lambda figures: figures.gap.seconds,
    "gap-on-return": lambda figures: figures.gap_on_return,
    "wait": lambda figures: figures.wait,
    "longest-wait": lambda figures: figures.longest_wait,
    "longest-wait-on-return": lambda figures: figures.longest_wait_on_return,
    "failed": lambda figures: float(figures.failed),
    "failed-on-return": lambda figures: float(figures.failed_on_return),
    "failed-seconds": lambda figures: figures.failed_seconds,
}
# Of lanes with a timetable. A serial one is asked for its longest wait instead: nothing is known of
# the time between its requests.
_TIMED = ("gap", "gap-on-return", "wait")
_WATCHED = "longest-wait"
_LEADER_CHANGES = "leader-changes"
# How the metrics end that count and have no unit; all others are seconds.
COUNTS = (".failed", ".failed-on-return", _LEADER_CHANGES)
_METRIC = re.compile(
    rf"(new|kept|serial|any)\.(read|write|any)\.({'|'.join(_FIGURES)})"
    rf"|(kept|serial|any)\.watch\.{_WATCHED}"
    rf"|heal\.(host|node|redundancy)|proof\.[a-z-]+|{_LEADER_CHANGES}"
)


def is_metric(name: str) -> bool:
    return _METRIC.fullmatch(name) is not None


def judge(
    limits: Mapping[str, float],
    streams: Iterable[StreamFigures],
    watches: Iterable[WatchFigures],
    heals: Mapping[str, float | None],
    proofs: Mapping[str, float | None],
    leader_changes: int,
) -> tuple[Judgement, ...]:
    """Each limit with what the run reached, in order of the metrics' names."""
    through_endpoint = [figures for figures in streams if figures.stream.route == ENDPOINT]
    watched = [watch for watch in watches if watch.route == ENDPOINT]
    found: list[Judgement] = []
    for metric, limit in sorted(limits.items()):
        group, _, name = metric.partition(".")
        if metric == _LEADER_CHANGES:
            found.append(Judgement(metric, float(leader_changes), limit))
        elif group in ("heal", "proof"):
            found.append(Judgement(metric, (heals if group == "heal" else proofs).get(name), limit))
        else:
            kind, _, figure = name.partition(".")
            if kind == "watch":
                values = {w.name: w.longest_wait for w in watched if group in ("any", w.connection)}
            else:
                matching = _matching(through_endpoint, group, kind, figure)
                values = {each.stream.name: _FIGURES[figure](each) for each in matching}
            found.append(_worst(metric, limit, values))
    return tuple(found)


def _matching(
    streams: Iterable[StreamFigures], connection: str, kind: str, figure: str
) -> Iterable[StreamFigures]:
    def connects(stream: Stream) -> bool:
        if connection == "any":
            return stream.connection != "serial" or figure not in _TIMED
        return stream.connection == connection

    return [
        figures
        for figures in streams
        if connects(figures.stream) and kind in ("any", figures.stream.kind)
    ]


def _worst(metric: str, limit: float, values: Mapping[str, float]) -> Judgement:
    """values: by what has them."""
    worst = max(values, key=values.__getitem__, default=None)
    if worst is None:
        return Judgement(metric, None, limit)
    return Judgement(metric, values[worst], limit, worst)


def shortfall(judgement: Judgement) -> str:
    """In words, for a limit that was not met."""
    where = f" ({judgement.where})" if judgement.where else ""
    if judgement.value is None:
        return f"{judgement.metric} was not reached; the limit is {judgement.limit:g}"
    return f"{judgement.metric} is {judgement.value:.3g}, over its limit {judgement.limit:g}{where}"
