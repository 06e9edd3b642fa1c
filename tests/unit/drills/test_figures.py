"""The longest gap and its kin, on small examples and by their properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanae.drills.judging.figures import (
    failed_seconds,
    lag_at,
    longest_gap,
    longest_request,
    percentile,
    wait_for_success,
)
from kanae.drills.records import BOUNDS, Lag, Request


def request(at: float, end: float, ok: bool = True) -> Request:
    return Request(0, 0, at, at, end, "ok" if ok else "refused")


def every(period: float, count: int, latency: float = 0.01) -> list[Request]:
    return [request(i * period, i * period + latency) for i in range(count)]


def test_with_nothing_wrong_the_gap_is_a_period_and_a_latency() -> None:
    assert longest_gap(every(0.1, 100), 2.0, 10.0).seconds == pytest.approx(0.11)
    assert wait_for_success(every(0.1, 100), 2.0, 10.0) == pytest.approx(0.01)


def test_a_gap_runs_from_the_last_success_start_to_the_first_answer_after() -> None:
    requests = every(0.1, 100)
    for i in range(50, 55):
        requests[i] = request(requests[i].at, requests[i].end, ok=False)
    gap = longest_gap(requests, 4.0, 10.0)
    assert (gap.begin, gap.end) == (pytest.approx(4.9), pytest.approx(5.51))
    assert wait_for_success(requests, 4.0, 10.0) == pytest.approx(0.51)


@pytest.mark.parametrize(("first_failed", "of_the_fault"), [(50, False), (49, True)])
def test_a_gap_belongs_to_the_part_in_which_its_first_request_was_due(
    first_failed: int, of_the_fault: bool
) -> None:
    requests = every(0.1, 100)
    for i in range(first_failed, 55):
        requests[i] = request(requests[i].at, requests[i].end, ok=False)
    # The fault is undone at 4.95; the last success before the gap began at 4.8 or 4.9.
    gap = longest_gap(requests, 2.0, 4.95, 10.0).seconds
    assert gap == pytest.approx(0.71 if of_the_fault else 0.11)
    assert longest_gap(requests, 4.95, 10.0).seconds >= 0.6


def test_a_late_success_is_a_gap_too() -> None:
    requests = every(0.1, 100)
    for i in range(50, 60):
        requests[i] = request(requests[i].at, 6.0)
    assert longest_gap(requests, 4.0, 10.0).seconds == pytest.approx(1.1)


def test_one_slow_request_among_quick_ones_is_no_gap() -> None:
    requests = every(0.1, 100)
    requests[50] = request(5.0, 9.0)
    assert longest_gap(requests, 4.0, 10.0).seconds == pytest.approx(0.21)


def test_an_outage_that_never_ends_lasts_until_the_end_of_the_window() -> None:
    requests = [request(r.at, r.end, ok=r.at < 5.0) for r in every(0.1, 100)]
    gap = longest_gap(requests, 4.0, 10.0)
    assert gap.open
    assert gap.end == 10.0


def test_an_outage_at_the_very_beginning_of_the_window_is_measured_whole() -> None:
    requests = [request(r.at, r.end, ok=not 4.0 <= r.at < 6.0) for r in every(0.1, 100)]
    assert longest_gap(requests, 4.05, 10.0).begin == pytest.approx(3.9)


def test_without_any_success_the_gap_is_the_window() -> None:
    requests = [request(r.at, r.end, ok=False) for r in every(0.1, 100)]
    assert longest_gap(requests, 2.0, 8.0).seconds == pytest.approx(6.0)


def test_failed_time_counts_overlaps_once() -> None:
    failures = [request(at, at, ok=False) for at in (1.0, 1.05, 1.1, 3.0)]
    assert failed_seconds(failures, 0.1) == pytest.approx(0.3)


latencies = st.lists(st.tuples(st.booleans(), st.floats(0.001, 3.0)), min_size=1, max_size=60)


@given(latencies)
def test_a_gap_is_never_shorter_than_any_wait_inside_it(kinds: list[tuple[bool, float]]) -> None:
    requests = [request(i * 0.1, i * 0.1 + wait, ok) for i, (ok, wait) in enumerate(kinds)]
    end = len(kinds) * 0.1
    gap = longest_gap(requests, 0.0, end)
    wait = wait_for_success(requests, 0.0, end)
    first = next((r.at for r in requests if r.ok), None)
    if first == 0.0:
        # Each wait of a later request lies within the gap that opened before it.
        later = [r for r in requests if r.at > 0.0]
        assert gap.seconds + 1e-9 >= wait_for_success(later, 0.01, end)
    assert wait >= 0.0
    assert gap.seconds >= 0.0


@given(latencies, st.integers(0, 59))
def test_one_more_failure_never_shortens_the_gap(
    kinds: list[tuple[bool, float]], index: int
) -> None:
    requests = [request(i * 0.1, i * 0.1 + wait, ok) for i, (ok, wait) in enumerate(kinds)]
    end = len(kinds) * 0.1
    before = longest_gap(requests, 0.0, end).seconds
    chosen = index % len(requests)
    requests[chosen] = request(requests[chosen].at, requests[chosen].end, ok=False)
    assert longest_gap(requests, 0.0, end).seconds + 1e-9 >= min(before, end)


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1.0))
def test_percentiles_are_values_that_occurred(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-9


def test_no_values_have_no_percentile() -> None:
    assert math.isnan(percentile([], 0.5))


def test_lag_is_bounded_from_above_by_its_class() -> None:
    counts = [98, 0, 0, 0, 0, 0, 2, *[0] * (len(BOUNDS) - 6)]
    lags = [Lag(1.0, tuple(counts), 0.07)]
    assert lag_at(lags, 0.5) == 0.001
    assert lag_at(lags, 0.99) == 0.07


def test_the_longest_request_counts_what_failed_and_what_was_under_way() -> None:
    requests = every(0.1, 100)
    requests[50] = request(requests[50].at, requests[50].at + 6, ok=False)
    assert longest_request(requests, 4.0, 10.0, 4.0) == pytest.approx(6)
    assert longest_request(requests, 6.0, 10.0, 6.0) == pytest.approx(0.01)
    # It was under way at 7.0, and had an outcome at 12.0.
    assert longest_request(requests, -math.inf, 10.0, 7.0) == pytest.approx(6)
    assert longest_request(requests, -math.inf, 10.0, 12.0) == 0
