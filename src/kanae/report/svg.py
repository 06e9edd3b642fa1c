"""A run's timeline as SVG: a lane for each prober, a span for each failed or slow request.

Shapes and heights tell the kinds of spans apart, not colour alone. Colours are CSS variables, set
by the page for light and dark.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from kanae.drills.judging.verdict import Verdict
from kanae.drills.records import ENDPOINT, History, Request, Stream

WIDTH = 1120
_LEFT = 236
_RIGHT = 16
_TOP = 62
_LANE = 15
_GAP = 9  # between routes
# A success is slow when it takes this much longer than the 99th percentile before the fault.
_SLOW_FACTOR = 3.0
_SLOW_LEAST = 0.05  # seconds; below it nobody notices
_BEFORE, _AFTER = 1.0, 6.0  # seconds of the closer look at a fault


@dataclass(frozen=True, slots=True)
class Span:
    """count requests of one kind (failed or slow), from when they were due to their outcomes."""

    kind: str
    begin: float
    end: float
    count: int
    detail: str


@dataclass(frozen=True, slots=True)
class Lane:
    label: str
    route: str
    spans: tuple[Span, ...]
    dots: tuple[tuple[float, str], ...] = ()


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans of one kind that overlap become one, so that a page stays small."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.kind, span.begin)):
        last = found[-1] if found else None
        if last is not None and last.kind == span.kind and span.begin <= last.end:
            end = max(last.end, span.end)
            found[-1] = Span(span.kind, last.begin, end, last.count + span.count, last.detail)
        else:
            found.append(span)
    return tuple(found)


def lanes(history: History, verdict: Verdict) -> list[Lane]:
    """One for each connection through the endpoint, one for each stream to an API server."""
    slow = {
        figures.stream.id: max(
            _SLOW_LEAST,
            _SLOW_FACTOR
            * max((w.latency.p99 for w in figures.windows if w.name == "before"), default=0.0),
        )
        for figures in verdict.streams
    }
    by_lane: dict[tuple[int, int], list[Request]] = defaultdict(list)
    for request in history.requests:
        stream = history.header.streams[request.stream]
        by_lane[request.stream, request.lane if stream.route == ENDPOINT else 0].append(request)
    found: list[Lane] = []
    for stream in history.header.streams:
        if stream.kind == "watch":
            found.append(_watch_lane(history, stream))
            continue
        for number in range(stream.lanes if stream.route == ENDPOINT else 1):
            requests = by_lane[stream.id, number]
            several = stream.lanes > 1 and stream.route == ENDPOINT
            label = f"{stream.connection} {stream.kind}" + (f" {number + 1}" if several else "")
            spans = _spans(requests, slow.get(stream.id, _SLOW_LEAST))
            found.append(Lane(label, stream.route, merged(spans)))
    return sorted(found, key=lambda lane: lane.route != ENDPOINT)


def _spans(requests: Iterable[Request], slow: float) -> Iterable[Span]:
    for request in requests:
        if not request.ok:
            what = f"http {request.status}" if request.outcome == "http" else request.outcome
            yield Span("failed", request.at, request.end, 1, what)
        elif request.latency > slow:
            yield Span("slow", request.at, request.end, 1, f"{request.latency:.3f} s")


def _watch_lane(history: History, stream: Stream) -> Lane:
    states = [state for state in history.watch_states if state.stream == stream.id]
    broken = [
        Span("failed", a.at, b.at, 1, f"{a.state}: {a.detail}")
        for a, b in pairwise(states)
        if a.state != "open"
    ]
    opened = tuple((s.at, f"watch opened after revision {s.revision}") for s in states[1:])
    dots = tuple(dot for dot, s in zip(opened, states[1:], strict=True) if s.state == "open")
    label = "idle watch" if stream.connection == "serial" else "watch"
    return Lane(label, stream.route, merged(broken), dots)


class _Scale:
    def __init__(self, begin: float, end: float) -> None:
        self.begin, self.end = begin, max(end, begin + 1.0)

    def __call__(self, at: float) -> float:
        inside = min(max(at, self.begin), self.end)
        share = (inside - self.begin) / (self.end - self.begin)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 2)

    def shows(self, begin: float, end: float) -> bool:
        return end >= self.begin and begin <= self.end

    def ticks(self) -> list[float]:
        span = self.end - self.begin
        step = next((s for s in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300) if span / s <= 14), 600)
        first = int(self.begin // step) + 1
        return [n * step for n in range(first, int(self.end // step) + 1)]


def around_fault(history: History) -> tuple[float, float] | None:
    """The seconds in which a fault is felt, for a closer look. None without a fault."""
    fault = history.fault("inject")
    return None if fault is None else (fault - _BEFORE, fault + _AFTER)


def timeline(history: History, verdict: Verdict, window: tuple[float, float] | None = None) -> str:
    """The SVG element. Time runs in seconds from the run's zero. window: a part of it."""
    rows = lanes(history, verdict)
    end = max([history.phase("stop") or 0.0, *(r.end for r in history.requests[-50:])])
    scale = _Scale(*(window or (history.phase("warm-up") or 0.0, end)))
    places: list[float] = []
    y = float(_TOP)
    for before, lane in pairwise([None, *rows]):
        if lane is None:
            continue
        y += _GAP if before is not None and before.route != lane.route else 0
        places.append(y)
        y += _LANE
    bottom = y + 4
    parts = [
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {bottom + 24:.0f}" role="img"'
        f' aria-label="Timeline of run {escape(history.header.run)}">'
    ]
    parts += _bands(history, scale, bottom)
    parts += _axis(scale, bottom)
    parts += _events(history, scale, bottom)
    shown = ""
    for lane, place in zip(rows, places, strict=True):
        parts += _lane(lane, place, scale, name=lane.route if lane.route != shown else "")
        shown = lane.route
    return "\n".join([*parts, "</svg>"])


def _bands(history: History, scale: _Scale, bottom: float) -> Iterable[str]:
    fault = history.fault("inject")
    undo, after = history.fault("undo"), history.phase("after")
    recovery = undo if undo is not None else history.phase("recovery")
    if fault is None:
        return
    ends = [t for t in (recovery, after, scale.end) if t is not None]
    yield _band("fault", "fault", fault, ends[0], scale, bottom)
    if recovery is not None and scale.shows(recovery, after or scale.end):
        yield _band("recovery", "recovery", recovery, after or scale.end, scale, bottom)


def _band(kind: str, label: str, begin: float, end: float, scale: _Scale, bottom: float) -> str:
    x, width = scale(begin), max(1.5, scale(end) - scale(begin))
    return (
        f'<rect class="band {kind}" x="{x}" y="{_TOP - 20}" width="{width:.2f}"'
        f' height="{bottom - _TOP + 20:.1f}"><title>{label} {begin:.2f} s to {end:.2f} s</title>'
        f'</rect><text class="bandname {kind}" x="{x + 4}" y="{_TOP - 8}">{label}</text>'
    )


def _axis(scale: _Scale, bottom: float) -> Iterable[str]:
    for at in scale.ticks():
        x = scale(at)
        yield f'<line class="grid" x1="{x}" y1="{_TOP - 4}" x2="{x}" y2="{bottom}"/>'
        yield f'<text class="tick" x="{x}" y="{bottom + 15:.1f}">{at:g} s</text>'


def _events(history: History, scale: _Scale, bottom: float) -> Iterable[str]:
    """What happened once: new leaders, things whole again, proofs, a backup, a restore. Labels in
    three rows on top."""
    leaders = [leader for leader in history.leaders if leader.leader]
    found = [
        (now.at, "new etcd leader", f"{before.leader} -> {now.leader}")
        for before, now in pairwise(leaders)
        if before.leader != now.leader
    ]
    found += [
        (heal.at, f"{heal.what} whole", f"after {heal.seconds:.1f} s")
        for heal in history.heals
        if heal.seconds is not None
    ]
    found += [
        (proof.at, proof.name + ("" if proof.ok else " failed"), proof.detail)
        for proof in history.proofs
        if proof.name != "final-write"
    ]
    found += [(change.at, change.name, change.detail) for change in history.changes]
    found += [(each.at, "restored", f"from {each.source}") for each in history.restored]
    free = [0.0, 0.0, 0.0]
    for at, label, detail in sorted(event for event in found if scale.shows(event[0], event[0])):
        x = scale(at)
        anchor = "end" if x > WIDTH - 130 else "start"
        width = 7.0 * len(label) + 10
        left = x - width if anchor == "end" else x
        row = next((n for n, end in enumerate(free) if end <= left), free.index(min(free)))
        free[row] = left + width
        yield (
            f'<g class="event"><title>{at:.2f} s: {escape(label)}, {escape(detail)}</title>'
            f'<line x1="{x}" y1="{14 + 13 * row}" x2="{x}" y2="{bottom}"/>'
            f'<text x="{x + (3 if anchor == "start" else -3)}" y="{13 + 13 * row}"'
            f' text-anchor="{anchor}">{escape(label)}</text></g>'
        )


def _lane(lane: Lane, y: float, scale: _Scale, name: str) -> Iterable[str]:
    middle = y + _LANE / 2
    if name:
        yield f'<text class="route" x="6" y="{middle + 4}">{escape(name)}</text>'
    yield f'<text class="lane" x="{_LEFT - 8}" y="{middle + 4}">{escape(lane.label)}</text>'
    yield f'<line class="rail" x1="{_LEFT}" y1="{middle}" x2="{WIDTH - _RIGHT}" y2="{middle}"/>'
    yield from _drawn(lane.spans, y, scale)
    for at, detail in (dot for dot in lane.dots if scale.shows(dot[0], dot[0])):
        yield (
            f'<circle class="opened" cx="{scale(at)}" cy="{middle}" r="3">'
            f"<title>{at:.2f} s: {escape(detail)}</title></circle>"
        )


def _drawn(spans: Sequence[Span], y: float, scale: _Scale) -> Iterable[str]:
    # Slow ones first: failures lie on top.
    visible = [span for span in spans if scale.shows(span.begin, span.end)]
    for span in sorted(visible, key=lambda span: span.kind == "failed"):
        height = _LANE - 3 if span.kind == "failed" else _LANE - 9
        x, width = scale(span.begin), max(2.0, scale(span.end) - scale(span.begin))
        title = f"{span.count} {span.kind}, {span.begin:.2f} s to {span.end:.2f} s: {span.detail}"
        yield (
            f'<rect class="{span.kind}" x="{x}" y="{y + (_LANE - height) / 2}"'
            f' width="{width:.2f}" height="{height}"><title>{escape(title)}</title></rect>'
        )
