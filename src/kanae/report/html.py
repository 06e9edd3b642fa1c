"""Runs of drills as one self-contained HTML page: no script, no font, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from kanae.drills.judging.series import series
from kanae.drills.judging.verdict import Judgement, StreamFigures, Verdict, WatchFigures
from kanae.drills.records import ENDPOINT, History
from kanae.report.drill_text import (
    COMPARISON,
    LEADER_LOST,
    comparison_rows,
    figure,
    looked_from,
    probed_from,
    restored_from,
    said,
    seconds,
)
from kanae.report.svg import around_fault, timeline

_STYLE = """
:root { color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1f2328; --soft: #5c6370; --line: #dcdad3;
  --passed: #1a7f4b; --failed: #c0272d; --void: #8a6100; --slow: #d98a00; --opened: #2563c9;
  --fault-band: #f6d9d6; --recovery-band: #d9e6f7; --event: #6b4fa0; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #15171b; --card: #1d2026; --ink: #e6e4df; --soft: #a2a7b0; --line: #363a42;
  --passed: #4cc38a; --failed: #ff6b66; --void: #e0b04a; --slow: #f0a93a; --opened: #79a8ff;
  --fault-band: #43262a; --recovery-band: #22324a; --event: #b9a2ee; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1220px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 0; }
h3 { font-size: 14px; margin: 22px 0 6px; color: var(--soft); font-weight: 600; }
.soft { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 18px 20px 20px; margin: 22px 0; }
.head { display: flex; gap: 14px; align-items: center; flex-wrap: wrap; }
.verdict { font-weight: 700; padding: 3px 12px; border-radius: 6px; border: 2px solid; }
.passed { color: var(--passed); } .failed { color: var(--failed); } .void { color: var(--void); }
ul { margin: 10px 0 0; padding-left: 20px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13.5px; }
th, td { text-align: right; padding: 3px 14px 3px 0; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child, td:last-child, th:last-child { text-align: left; }
td.bar { width: 180px; padding-top: 8px; }
.meter { background: var(--line); height: 8px; border-radius: 4px; width: 170px; overflow: hidden; }
.meter i { display: block; height: 100%; background: var(--passed); }
.meter i.over { background: var(--failed); }
svg.timeline { width: 100%; min-width: 900px; height: auto; display: block; }
svg text { font: 11px system-ui, "DejaVu Sans", sans-serif; fill: var(--ink); }
svg .lane { text-anchor: end; fill: var(--soft); } svg .route { font-weight: 600; }
svg .tick { text-anchor: middle; fill: var(--soft); }
svg .rail, svg .grid { stroke: var(--line); } svg .grid { stroke-dasharray: 2 4; }
svg .band.fault { fill: var(--fault-band); } svg .band.recovery { fill: var(--recovery-band); }
svg .bandname { fill: var(--soft); font-style: italic; }
svg rect.failed { fill: var(--failed); } svg rect.slow { fill: var(--slow); }
svg .opened { fill: var(--card); stroke: var(--opened); stroke-width: 1.6; }
svg .event line { stroke: var(--event); stroke-dasharray: 4 3; }
svg .event text { fill: var(--event); paint-order: stroke; stroke: var(--card);
  stroke-width: 4px; }
.key { display: flex; gap: 20px; flex-wrap: wrap; font-size: 13px; color: var(--soft); }
.key span::before { content: ""; display: inline-block; margin-right: 6px; width: 12px;
  vertical-align: middle; }
.key .k-failed::before { height: 12px; background: var(--failed); }
.key .k-slow::before { height: 6px; background: var(--slow); }
.key .k-fault::before { height: 12px; background: var(--fault-band); }
.key .k-recovery::before { height: 12px; background: var(--recovery-band); }
.key .k-opened::before { width: 8px; height: 8px; border-radius: 50%;
  border: 2px solid var(--opened); }
summary { cursor: pointer; }
"""


def page(runs: Sequence[tuple[History, Verdict]]) -> str:
    """runs: oldest first; the page shows the newest first."""
    clusters = sorted({history.header.cluster for history, _ in runs})
    counts = [
        f"{sum(v.result.value == name for _, v in runs)} {name}"
        for name in ("passed", "failed", "void")
    ]
    sections = [_run(history, verdict) for history, verdict in reversed(runs)]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Drills of {escape(', '.join(clusters))}</title>",
            f"<style>{_STYLE}</style></head><body><main>",
            f"<h1>Drills of {escape(', '.join(clusters))}</h1>",
            f'<p class="soft">{len(runs)} runs: {", ".join(counts)}</p>',
            _comparison(runs),
            *sections,
            "</main></body></html>\n",
        ]
    )


def _run(history: History, verdict: Verdict) -> str:
    header, result = history.header, verdict.result.value
    when = datetime.fromtimestamp(header.zero, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    about = [f"on {', '.join(header.targets)}"] if header.targets else []
    about += [LEADER_LOST] if verdict.took_leader else []
    about += [f"behind {header.balancer}", *(f"{k} {v}" for k, v in header.versions.items()), when]
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in said(verdict))
    return "\n".join(
        [
            f'<section id="{escape(header.run)}"><div class="head"><h2>{escape(header.drill)}</h2>'
            f'<span class="verdict {result}">{result.upper()}</span>'
            f'<span class="soft">{escape(" · ".join(about))}</span></div>',
            f"<ul>{reasons}</ul>" if reasons else "",
            _judgements(verdict.judgements),
            "<h3>Timeline</h3>",
            '<div class="key"><span class="k-failed">failed request</span>'
            '<span class="k-slow">slow request</span><span class="k-opened">watch opened again'
            '</span><span class="k-fault">fault</span><span class="k-recovery">recovery</span>'
            "</div>",
            f'<div class="scroll">{timeline(history, verdict)}</div>',
            _closer(history, verdict),
            _facts(verdict),
            "<details><summary>All figures</summary>",
            _streams(verdict.streams),
            _watches(verdict.watches),
            _evidence(history),
            "</details></section>",
        ]
    )


def _closer(history: History, verdict: Verdict) -> str:
    window = around_fault(history)
    if window is None:
        return ""
    drawn = timeline(history, verdict, window)
    return f'<h3>The fault, closer</h3><div class="scroll">{drawn}</div>'


def _comparison(runs: Sequence[tuple[History, Verdict]]) -> str:
    found = series(verdict for _, verdict in runs)
    rows = [[escape(cell) for cell in row] for row in comparison_rows(found)]
    if len(runs) < 2 or not rows:
        return ""
    return f"<section><h2>Over all runs that count</h2>{_table(COMPARISON, rows)}</section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{top}</tr>{body}</table></div>'


def _judgements(judgements: Sequence[Judgement]) -> str:
    if not judgements:
        return ""
    rows = [
        [
            escape(judgement.metric),
            f'<b class="{"passed" if judgement.met else "failed"}">'
            f"{escape(figure(judgement.metric, judgement.value))}</b>",
            f"&le; {escape(figure(judgement.metric, judgement.limit))}",
            _meter(judgement),
            "met" if judgement.met else "missed",
            escape(judgement.where),
        ]
        for judgement in judgements
    ]
    return "<h3>Limits</h3>" + _table(["metric", "value", "limit", "", "", "worst stream"], rows)


def _meter(judgement: Judgement) -> str:
    if judgement.value is None:
        share = 1.0
    elif judgement.limit > 0:
        share = min(1.0, judgement.value / judgement.limit)
    else:
        share = 0.0 if judgement.met else 1.0
    over = "" if judgement.met else ' class="over"'
    return f'<div class="meter"><i{over} style="width:{share:.0%}"></i></div>'


def _facts(verdict: Verdict) -> str:
    writes = verdict.writes
    items = [
        f"{writes.acknowledged} acknowledged writes, <b>{len(writes.lost)} lost</b>;"
        f" {writes.unknown} answered with an error, {writes.unknown_kept} of them are there",
        f"etcd leader changes: {verdict.leader_changes}",
        *map(escape, restored_from(verdict)),
        *(f"{escape(what)} whole again: {seconds(v)}" for what, v in verdict.heals.items()),
        *(f"proof {escape(name)}: {seconds(v)}" for name, v in verdict.proofs.items()),
        f"the prober's own lag: p99 {seconds(verdict.lag_p99)}, worst {seconds(verdict.lag_worst)},"
        f" {verdict.cpu:.0%} of a core",
        escape(looked_from(verdict)),
        *([escape(probed_from(verdict))] if verdict.prober else []),
    ]
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"


def _streams(streams: Sequence[StreamFigures]) -> str:
    head = ["stream", "failed", "longest gap", "wait", "longest request", "later", "failed for"]
    head += [f"{part} {name}" for part in ("before", "during", "after") for name in ("p50", "p99")]
    rows: list[list[str]] = []
    for figures in sorted(streams, key=lambda s: s.stream.route != ENDPOINT):
        errors = ", ".join(f"{kind} {count}" for kind, count in figures.errors.items())
        row = [
            escape(figures.stream.name),
            f'<span title="{escape(errors)}">{figures.failed}</span>',
            seconds(figures.gap.seconds),
            seconds(figures.wait),
            seconds(figures.longest_wait),
            seconds(figures.longest_wait_on_return),
            seconds(figures.failed_seconds),
        ]
        for window in figures.windows:
            row += [seconds(window.latency.p50), seconds(window.latency.p99)]
        rows.append(row)
    return "<h3>Streams</h3>" + _table(head, rows)


def _watches(watches: Sequence[WatchFigures]) -> str:
    head = ["watch", "events", "opened again", "expired", "missed", "out of order"]
    head += ["latest event of the fault", "of all"]
    rows = [
        [
            escape(watch.name),
            str(watch.events),
            str(watch.reopened),
            str(watch.expired),
            str(len(watch.missed)),
            str(len(watch.disorder)),
            seconds(watch.longest_wait),
            seconds(watch.delay),
        ]
        for watch in watches
    ]
    return "<h3>Watches</h3>" + _table(head, rows)


def _evidence(history: History) -> str:
    rows = [
        [escape(e.name), escape(e.host), "seen" if e.took else "not seen", escape(e.detail)]
        for e in history.evidence
    ]
    notes = "".join(f"<li>{escape(note.text)}</li>" for note in history.notes)
    head = ["evidence", "host", "", ""]
    return "<h3>Evidence</h3>" + _table(head, rows) + (f"<ul>{notes}</ul>" if notes else "")
