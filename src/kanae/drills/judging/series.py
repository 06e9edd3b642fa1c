"""Several runs together: how many passed, and the spread of every judged metric. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from kanae.drills.judging.figures import percentile
from kanae.drills.judging.verdict import Judgement, Result, Verdict


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over runs. median, p95: by nearest rank. All four are None when a run never
    reached it. limit: of the last run.
    """

    metric: str
    runs: int
    least: float | None
    median: float | None
    p95: float | None
    most: float | None
    limit: float

    @property
    def met(self) -> bool:
        """Whether every run met the limit."""
        return self.most is not None and self.most <= self.limit


@dataclass(frozen=True, slots=True)
class Series:
    """All runs of one drill behind one kind of balancer, with etcd's leader lost or without.

    spreads: over the runs that are not void. acknowledged, lost: writes, over all runs. load: the
    highest load average that was recorded, None without any.
    """

    drill: str
    balancer: str
    took_leader: bool
    passed: int
    failed: int
    void: int
    spreads: tuple[Spread, ...]
    acknowledged: int
    lost: int
    load: float | None

    @property
    def runs(self) -> int:
        return self.passed + self.failed + self.void


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """What `kanae drill run` came to. stopped: why there are fewer runs than asked for, or ""."""

    runs: tuple[Verdict, ...]
    series: tuple[Series, ...]
    stopped: str = ""


SERIES_RESULT: TypeAdapter[SeriesResult] = TypeAdapter(SeriesResult)


def series(verdicts: Iterable[Verdict]) -> tuple[Series, ...]:
    """One for each of `groups`."""
    return tuple(_of(group) for group in groups(verdicts))


def groups(verdicts: Iterable[Verdict]) -> tuple[tuple[Verdict, ...], ...]:
    """Those whose figures can be compared: of a drill behind a balancer, in alphabetical order.

    Runs in which etcd's leader was lost stand apart, after the others: their users had to wait for
    an election too.
    """
    found: dict[tuple[str, str, bool], list[Verdict]] = {}
    for verdict in verdicts:
        key = (verdict.drill, verdict.balancer, verdict.took_leader)
        found.setdefault(key, []).append(verdict)
    return tuple(tuple(group) for _, group in sorted(found.items(), key=lambda item: item[0]))


def _of(verdicts: Sequence[Verdict]) -> Series:
    counts = Counter(verdict.result for verdict in verdicts)
    metrics: dict[str, list[Judgement]] = {}
    for verdict in verdicts:
        if verdict.result is not Result.VOID:
            for judgement in verdict.judgements:
                metrics.setdefault(judgement.metric, []).append(judgement)
    loads = [verdict.load for verdict in verdicts if verdict.load is not None]
    return Series(
        drill=verdicts[0].drill,
        balancer=verdicts[0].balancer,
        took_leader=verdicts[0].took_leader,
        passed=counts[Result.PASSED],
        failed=counts[Result.FAILED],
        void=counts[Result.VOID],
        spreads=tuple(spread(metric, found) for metric, found in sorted(metrics.items())),
        acknowledged=sum(verdict.writes.acknowledged for verdict in verdicts),
        lost=sum(len(verdict.writes.lost) for verdict in verdicts),
        load=max(loads, default=None),
    )


def spread(metric: str, judgements: Sequence[Judgement]) -> Spread:
    """At least one judgement is needed."""
    known = sorted(each.value for each in judgements if each.value is not None)
    limit = judgements[-1].limit
    if len(known) < len(judgements):
        return Spread(metric, len(judgements), None, None, None, None, limit)
    middle, high = percentile(known, 0.5), percentile(known, 0.95)
    return Spread(metric, len(known), known[0], middle, high, known[-1], limit)
