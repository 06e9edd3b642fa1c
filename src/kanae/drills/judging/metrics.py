"""The metrics that limits are set for: how each is called, and its value in a run. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from kanae.drills.judging.verdict import Judgement, StreamFigures, WatchFigures
from kanae.drills.records import DNS, ENDPOINT, INSIDE, Stream

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
# the time between its requests, each of which stands for more of it than another lane's.
_TIMED = ("gap", "gap-on-return", "wait", "failed-seconds")
_WATCHED = "longest-wait"
_LEADER_CHANGES = "leader-changes"
_ON_RETURN = "-on-return"
# How the metrics end that count and have no unit; all others are seconds.
COUNTS = (".failed", ".failed-on-return", _LEADER_CHANGES)
_METRIC = re.compile(
    rf"(inside\.)?(new|kept|serial|any)\.(read|write|any)\.({'|'.join(_FIGURES)})"
    rf"|(inside\.)?(kept|serial|any)\.watch\.{_WATCHED}|{DNS}\.({'|'.join(_FIGURES)})"
    rf"|heal\.(api|host|node|redundancy)|proof\.[a-z-]+|{_LEADER_CHANGES}"
)


def is_metric(name: str) -> bool:
    return _METRIC.fullmatch(name) is not None


def is_inside(metric: str) -> bool:
    """Whether it is of what was asked by the way inside."""
    return metric.partition(".")[0] in (INSIDE, DNS)


def parts(metric: str) -> tuple[bool, bool]:
    """Whether it is of the part before the fault's undo, and of that from then on."""
    if metric.endswith(_ON_RETURN):
        return False, True
    whole = metric.endswith((".failed", ".failed-seconds")) or "." not in metric
    return True, whole or metric.startswith(("heal.", "proof."))


def judge(
    limits: Mapping[str, float],
    streams: Iterable[StreamFigures],
    watches: Iterable[WatchFigures],
    heals: Mapping[str, float | None],
    proofs: Mapping[str, float | None],
    leader_changes: int,
) -> tuple[Judgement, ...]:
    """Each limit with what the run reached, in order of the metrics' names. A run without any
    stream of a kind, as one of an older kanae or one that did not look from inside, is not judged
    by limits of it.
    """
    found: list[Judgement] = []
    streams, watches = tuple(streams), tuple(watches)
    for metric, limit in sorted(limits.items()):
        group, _, name = metric.partition(".")
        if metric == _LEADER_CHANGES:
            found.append(Judgement(metric, float(leader_changes), limit))
        elif group in ("heal", "proof"):
            found.append(Judgement(metric, (heals if group == "heal" else proofs).get(name), limit))
        elif values := _values(metric, streams, watches):
            worst = max(values, key=values.__getitem__)
            found.append(Judgement(metric, values[worst], limit, worst))
    return tuple(found)


def _values(
    metric: str, streams: Iterable[StreamFigures], watches: Iterable[WatchFigures]
) -> dict[str, float]:
    """By what has them."""
    first, *others = metric.split(".")
    route = first if first in (INSIDE, DNS) else ENDPOINT
    connection, kind, figure = {DNS: ["any", "any", *others], INSIDE: others}.get(
        first, [first, *others]
    )
    if kind == "watch":
        return {
            watch.name: watch.longest_wait
            for watch in watches
            if watch.route == route and connection in ("any", watch.connection)
        }
    here = [figures for figures in streams if figures.stream.route == route]
    return {
        each.stream.name: _FIGURES[figure](each)
        for each in _matching(here, connection, kind, figure)
    }


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


def shortfall(judgement: Judgement) -> str:
    """In words, for a limit that was not met."""
    where = f" ({judgement.where})" if judgement.where else ""
    if judgement.value is None:
        return f"{judgement.metric} was not reached; the limit is {judgement.limit:g}"
    return f"{judgement.metric} is {judgement.value:.3g}, over its limit {judgement.limit:g}{where}"
