"""The report: verdict and limits, a lane for each prober, nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

from drill_histories import FAULT, KEPT_READ, NEW_READ, STOP, good, outage, taking_leader

from kanae.drills.judging.checker import check
from kanae.drills.records import Note
from kanae.report.drill_text import comparison_text, seconds, verdict_text
from kanae.report.html import page
from kanae.report.svg import Span, lanes, merged, timeline


def test_a_timeline_is_well_formed_and_has_a_lane_for_each_kept_connection() -> None:
    run = outage(good(), KEPT_READ.id, FAULT, FAULT + 1, lane=2)
    verdict = check(run)
    root = ElementTree.fromstring(timeline(run, verdict))
    labels = [text.text for text in root.iter("text") if text.get("class") == "lane"]
    assert labels[:11] == [
        "new read", "new write", *(f"kept read {i}" for i in range(1, 5)),
        *(f"kept write {i}" for i in range(1, 5)), "watch",
    ]  # fmt: skip
    marked = [lane.label for lane in lanes(run, verdict) if lane.spans]
    assert marked == ["kept read 3"]
    assert {band.get("class") for band in root.iter("rect")} >= {"band fault", "band recovery"}


def test_labels_of_events_do_not_lie_upon_each_other() -> None:
    late = tuple(replace(heal, at=STOP - 3 + n) for n, heal in enumerate(good().heals))
    run = replace(good(), heals=late)
    root = ElementTree.fromstring(timeline(run, check(run)))
    spans: dict[str, list[tuple[float, float]]] = {}
    for label in root.iterfind(".//g[@class='event']/text"):
        x, width = float(label.get("x", "")), 6.0 * len(label.text or "")
        left = x - width if label.get("text-anchor") == "end" else x
        spans.setdefault(label.get("y", ""), []).append((left, left + width))
    assert sum(map(len, spans.values())) >= 2
    for row in spans.values():
        assert all(before[1] <= after[0] for before, after in pairwise(sorted(row)))


def test_a_page_needs_nothing_else_and_escapes_what_it_shows() -> None:
    run = replace(good(), notes=(Note(1.0, "wrong", "<script>alert(1)</script>"),))
    text = page([(run, check(run))])
    assert "<script" not in text
    assert not re.search(r"https?://|src=|@import|url\(", text)
    assert "VOID" in text
    assert "prefers-color-scheme: dark" in text


def test_a_page_of_a_run_that_was_cut_short_is_made_too() -> None:
    run = replace(good(), phases=(), faults=(), requests=(), watch=(), watch_states=(), lags=())
    assert "VOID" in page([(run, check(run))])


def test_the_text_begins_with_the_verdict_and_its_reasons() -> None:
    run = outage(good(limits={"new.any.failed": 0}), NEW_READ.id, FAULT, FAULT + 1)
    lines = verdict_text(check(run)).splitlines()
    assert lines[0] == "FAILED"
    assert "new.any.failed is 10" in lines[1]


def test_a_run_that_took_the_only_balancer_says_so_with_what_it_cost_also_when_it_passed() -> None:
    run = outage(good("balancer-cut"), NEW_READ.id, FAULT, FAULT + 8)
    run = replace(run, header=replace(run.header, single_balancer=True))
    verdict = check(run)
    told = "single point of failure: without it the API could not be reached, for 8.00 s"
    lines = verdict_text(verdict).splitlines()
    assert lines[0] == "PASSED"
    assert told in lines[1]
    assert told in page([(run, verdict)])
    assert told in comparison_text([verdict])


def test_runs_are_compared_by_their_spread_and_void_ones_left_out() -> None:
    limits = {"new.any.gap": 0.4}
    runs = [outage(good(limits=limits), NEW_READ.id, FAULT, FAULT + n / 10) for n in (1, 2, 9)]
    runs.append(replace(runs[2], evidence=()))
    text = comparison_text([check(run) for run in runs])
    row = next(line for line in text.splitlines() if "new.any.gap" in line and "<=" in line)
    assert re.search(r"\b3\s+205 ms\s+305 ms\s+1\.01 s\s+1\.01 s\s+<= 400 ms", row), row


def test_runs_in_which_etcds_leader_was_lost_are_told_apart() -> None:
    run = good(limits={"new.any.gap": 0.4})
    both = [(each, check(each)) for each in (run, taking_leader(run))]
    text = comparison_text([verdict for _, verdict in both])
    assert "power-cut (behind haproxy): 1 runs" in text
    assert "power-cut, etcd's leader lost (behind haproxy): 1 runs" in text
    rows = [line for line in text.splitlines() if "<=" in line]
    assert ["etcd's leader lost" in row for row in rows] == [False, True]
    html = page(both)
    assert html.count("power-cut, etcd&#x27;s leader lost") == 1  # in the comparison
    assert html.count("etcd&#x27;s leader lost · ") == 1  # in the run's head
    shown = [verdict_text(verdict) for _, verdict in both]
    assert ["etcd's leader lost" in each for each in shown] == [False, True]


def test_overlapping_marks_become_one_with_their_count() -> None:
    spans = [
        Span("failed", 1, 2, 1, "a"),
        Span("failed", 1.5, 3, 1, "b"),
        Span("slow", 2, 4, 1, ""),
    ]
    assert [(m.kind, m.begin, m.end, m.count) for m in merged(spans)] == [
        ("failed", 1, 3, 2),
        ("slow", 2, 4, 1),
    ]


def test_durations_read_well() -> None:
    assert [seconds(v) for v in (None, float("nan"), 0.0123, 1.5)] == ["-", "-", "12 ms", "1.50 s"]


def test_a_verdict_fits_a_terminal_of_80_columns() -> None:
    verdict = check(outage(good(), NEW_READ.id, FAULT, FAULT + 100))
    lines = verdict_text(verdict).splitlines()
    tables = [line for line in lines if line.startswith("  ") and not line.startswith("  -")]
    assert max(map(len, tables)) <= 80
    for figures in verdict.streams:
        assert sum(line.startswith(f"  {figures.stream.name} ") for line in tables) == 2
