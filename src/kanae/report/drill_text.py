"""Verdicts of drills as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from kanae.drills.judging.metrics import COUNTS
from kanae.drills.judging.series import Series, Spread, series
from kanae.drills.judging.verdict import Judgement, StreamFigures, Verdict, WatchFigures
from kanae.drills.records import CONTROL, ENDPOINT
from kanae.drills.scenarios.scenario import SINGLE_POINT


def seconds(value: float | None) -> str:
    """A duration in the unit that reads best; - when there is none."""
    if value is None or math.isnan(value):
        return "-"
    if 0 < abs(value) < 0.001:
        return f"{value * 1000:.1f} ms"
    return f"{value * 1000:.0f} ms" if abs(value) < 1 else f"{value:.2f} s"


def figure(metric: str, value: float | None) -> str:
    """A metric's value with its unit: counts have none."""
    if value is None:
        return "never"
    return f"{value:g}" if metric.endswith(COUNTS) else seconds(value)


LEADER_LOST = "etcd's leader lost"


def drill_name(of: Series | Verdict) -> str:
    """With what sets its figures apart from those of the drill's other runs."""
    return f"{of.drill}, {LEADER_LOST}" if of.took_leader else of.drill


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def verdict_text(verdict: Verdict) -> str:
    """The verdict first, then why, then all figures."""
    lines = [f"{verdict.result.value.upper()}"]
    lines += [f"  - {reason}" for reason in said(verdict)]
    if verdict.judgements:
        lines += ["", "Limits", *_table([_judgement(j) for j in verdict.judgements])]
    # Two tables, since one of all columns is wider than 80.
    streams = _ordered(verdict.streams)
    head = ["stream", "sent", "failed", "gap", "later", "wait", "failed for"]
    lines += ["", "Streams, from the fault on", *_table([head, *map(_stream, streams)])]
    head = ["stream", "p50 before", "p99 before", "p99 during", "longest", "later"]
    lines += ["", "Latencies, before the fault and during it; longest: failed requests too"]
    lines += _table([head, *map(_latencies, streams)])
    if verdict.watches:
        rows = [["watch", "events", "reopened", "expired", "missed", "disorder", "longest", "all"]]
        lines += ["", "Watches", *_table([*rows, *(_watch(w) for w in verdict.watches)])]
    writes = verdict.writes
    lines += [
        "",
        f"Writes: {writes.acknowledged} acknowledged, {len(writes.lost)} of them lost;"
        f" {writes.unknown} answered with an error, {writes.unknown_kept} of them are there",
        f"Leader changes: {verdict.leader_changes}"
        + (f"; {LEADER_LOST} by the fault" if verdict.took_leader else ""),
    ]
    lines += restored_from(verdict)
    lines += [f"Whole again, {what}: {seconds(value)}" for what, value in verdict.heals.items()]
    lines += [f"Proof {name}: {seconds(value)}" for name, value in verdict.proofs.items()]
    lines.append(
        f"Prober's own lag: p50 {seconds(verdict.lag_p50)}, p99 {seconds(verdict.lag_p99)},"
        f" worst {seconds(verdict.lag_worst)}; CPU {verdict.cpu:.0%} of a core"
    )
    lines.append(looked_from(verdict))
    if verdict.prober:
        lines.append(probed_from(verdict))
    return "\n".join(lines) + "\n"


def said(verdict: Verdict) -> tuple[str, ...]:
    """What must be read with the result: why it is not passed, and what passed does not mean."""
    if not verdict.single_balancer:
        return verdict.reasons
    down = max(s.failed_seconds for s in verdict.streams if s.stream.route == ENDPOINT)
    alone = f"{SINGLE_POINT}: without it the API could not be reached, for {seconds(down)}"
    return (*verdict.reasons, alone)


def restored_from(verdict: Verdict) -> list[str]:
    """From what the cluster was restored, how long that took, and what it cost (the RPO)."""
    writes = verdict.writes
    lines = [f"Backup under load, in {seconds(each.seconds)}: {each.detail}"
             for each in verdict.backups]  # fmt: skip
    for each in verdict.restored:
        lines.append(f"Restored from {each.source} in {seconds(each.seconds)}")
        named = f" ({writes.undone[0]} to {writes.undone[-1]})" if writes.undone else ""
        lines.append(
            f"Acknowledged after what was restored, and gone: {len(writes.undone)} writes of"
            f" {seconds(writes.undone_seconds)}{named}"
        )
    return lines


def looked_from(verdict: Verdict) -> str:
    """Whether it is known what pods felt."""
    if not verdict.inside:
        return "Nobody looked from inside the cluster"
    cost = next((s for s in verdict.streams if s.stream.route == CONTROL), None)
    if cost is None:
        return f"Looked from inside by way of {verdict.inside}"
    before = cost.windows[0].latency
    return (
        f"Looked from inside by way of {verdict.inside}: the way itself took {seconds(before.p50)}"
        f" (p50) and {seconds(before.p99)} (p99), {seconds(cost.longest_wait)} at most in the fault"
    )


def probed_from(verdict: Verdict) -> str:
    """Where the prober ran, when that was not here, and how sure its dates are."""
    return (
        f"Probed from {verdict.prober}; its dates are right within {seconds(verdict.clock_error)}"
    )


def _ordered(streams: Iterable[StreamFigures]) -> list[StreamFigures]:
    return sorted(streams, key=lambda s: s.stream.route != ENDPOINT)


def _judgement(judgement: Judgement) -> list[str]:
    return [
        "met   " if judgement.met else "MISSED",
        judgement.metric,
        figure(judgement.metric, judgement.value),
        f"<= {figure(judgement.metric, judgement.limit)}",
        judgement.where,
    ]


def _stream(figures: StreamFigures) -> list[str]:
    return [
        figures.stream.name,
        str(sum(window.sent for window in figures.windows)),
        str(figures.failed),
        seconds(figures.gap.seconds),
        seconds(figures.gap_on_return),
        seconds(figures.wait),
        seconds(figures.failed_seconds),
    ]


def _latencies(figures: StreamFigures) -> list[str]:
    by_name = {window.name: window for window in figures.windows}
    before, during = by_name["before"].latency, by_name["during"].latency
    return [
        figures.stream.name,
        seconds(before.p50),
        seconds(before.p99),
        seconds(during.p99),
        seconds(figures.longest_wait),
        seconds(figures.longest_wait_on_return),
    ]


def _watch(watch: WatchFigures) -> list[str]:
    return [
        watch.name,
        str(watch.events),
        str(watch.reopened),
        str(watch.expired),
        str(len(watch.missed)),
        str(len(watch.disorder)),
        seconds(watch.longest_wait),
        seconds(watch.delay),
    ]


COMPARISON = (
    "drill", "balancer", "metric", "runs", "minimum", "median", "95 %", "maximum", "limit",
)  # fmt: skip


def comparison_rows(found: Iterable[Series]) -> list[list[str]]:
    """The columns of COMPARISON for each drill and metric; void runs are left out."""
    return [
        [drill_name(each), each.balancer, spread.metric, str(spread.runs), *_spread(spread)]
        for each in found
        for spread in each.spreads
    ]


def _spread(spread: Spread) -> list[str]:
    figures = (spread.least, spread.median, spread.p95, spread.most)
    shown = ["-" if value is None else figure(spread.metric, value) for value in figures]
    if spread.most is None:
        shown[-1] = "never"
    return [*shown, f"<= {figure(spread.metric, spread.limit)}"]


def counts_text(each: Series) -> str:
    """How its runs ended, what became of acknowledged writes, and how busy the machine was."""
    load = "" if each.load is None else f"; load average up to {each.load:.1f}"
    return (
        f"{drill_name(each)} (behind {each.balancer}): {each.runs} runs, {each.passed} passed,"
        f" {each.failed} failed, {each.void} void;"
        f" {each.acknowledged} acknowledged writes, {each.lost} lost{load}"
    )


def comparison_text(verdicts: Sequence[Verdict]) -> str:
    """Every run with its verdict, then the spread of each metric over the runs of a drill."""
    lines: list[str] = []
    for verdict in verdicts:
        why = "".join(f": {reason}" for reason in said(verdict)[:1])
        lines.append(f"{verdict.run}  {drill_name(verdict):17} {verdict.result.value}{why}")
    found = series(verdicts)
    lines += ["", *(counts_text(each) for each in found)]
    rows = comparison_rows(found)
    return "\n".join([*lines, *(["", *_table([COMPARISON, *rows])] if rows else [])])
