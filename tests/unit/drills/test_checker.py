"""The checker finds what is planted in otherwise good histories, and nothing in good ones."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Literal

import pytest
from drill_histories import (
    FAULT,
    IDLE_WATCH,
    KEPT_READ,
    KEPT_WRITE,
    NEW_READ,
    NEW_WRITE,
    SERIAL_WRITE,
    STEADY,
    STOP,
    UNDO,
    WATCH,
    due,
    good,
    outage,
    taking_leader,
    with_request,
)

from kanae.drills.judging.checker import check
from kanae.drills.judging.verdict import Result, to_json
from kanae.drills.records import (
    BOUNDS,
    CONTROL,
    DNS,
    INSIDE,
    Clock,
    Evidence,
    Hashes,
    Health,
    History,
    Lag,
    Late,
    Leader,
    Stream,
)
from kanae.report.drill_text import verdict_text
from kanae.report.html import page


def drop_key(history: History, key: str) -> History:
    backs = tuple(
        replace(back, keys=tuple(k for k in back.keys if k != key)) for back in history.read_backs
    )
    watch = tuple(event for event in history.watch if event.key != key)
    return replace(history, read_backs=backs, watch=watch)


def test_a_good_history_passes() -> None:
    verdict = check(good(limits={"new.any.gap": 0.4, "any.any.failed": 0, "heal.node": 60}))
    assert verdict.result is Result.PASSED, verdict.reasons
    assert verdict.reasons == ()
    assert verdict.writes.acknowledged > 1000
    assert all(judgement.met for judgement in verdict.judgements)


def test_a_lost_write_fails_the_run() -> None:
    run = good()
    key = due(run, NEW_WRITE.id, 20).key
    verdict = check(drop_key(run, key))
    assert verdict.result is Result.FAILED
    assert verdict.writes.lost == (key,)


@pytest.mark.parametrize("kept", [True, False])
def test_an_errored_write_is_never_lost(kept: bool) -> None:
    run = good()
    write = due(run, NEW_WRITE.id, 20)
    run = with_request(run, write, replace(write, outcome="timeout", status=0, revision=0))
    if not kept:
        run = drop_key(run, write.key)
    verdict = check(run)
    assert verdict.result is Result.PASSED, verdict.reasons
    assert verdict.writes.lost == ()
    assert (verdict.writes.unknown, verdict.writes.unknown_kept) == (1, int(kept))


def test_a_write_acknowledged_after_its_deadline_counts_as_acknowledged() -> None:
    run = good()
    write = due(run, NEW_WRITE.id, 20)
    run = with_request(run, write, replace(write, outcome="timeout", status=0, revision=0))
    late = Late(write.stream, 0, write.at, write.at + 12, 201, write.key, write.revision)
    verdict = check(replace(drop_key(run, write.key), late=(late,)))
    assert verdict.writes.lost == (write.key,)


def belated(run: History, *, revision: int, listed: bool) -> tuple[History, str]:
    """A write that was given up, carried out after the last write of the run, and acknowledged
    while the read-backs (at revision 3000) were made.
    """
    write = due(run, NEW_WRITE.id, 40)
    given_up = replace(write, outcome="timeout", status=0, revision=0)
    run = with_request(run, write, given_up)
    late = Late(write.stream, 0, write.at, STOP + 0.5, 201, write.key, revision)
    if not listed:
        run = drop_key(run, write.key)
    events = tuple(event for event in run.watch if event.key != write.key)
    return replace(run, watch=events, late=(late,)), write.key


def test_a_write_that_was_acknowledged_while_the_read_backs_were_made_is_not_lost() -> None:
    run, _ = belated(good(), revision=9001, listed=False)
    verdict = check(run)
    assert verdict.result is Result.PASSED, verdict.reasons
    assert (verdict.writes.lost, verdict.watches[0].missed) == ((), ())


def test_a_belated_write_is_lost_when_a_read_back_is_newer() -> None:
    run, key = belated(good(), revision=2999, listed=False)
    assert check(run).writes.lost == (key,)


def test_a_member_that_lost_its_newest_state_is_not_excused_by_its_revision() -> None:
    run = good()
    key = due(run, NEW_WRITE.id, 42).key
    backs = tuple(replace(back, revision=1500) for back in run.read_backs)
    assert check(drop_key(replace(run, read_backs=backs), key)).writes.lost == (key,)


def test_without_the_proof_of_a_last_write_no_write_is_called_belated() -> None:
    run, key = belated(good(), revision=9001, listed=False)
    # Everything is then held to be written before the read-backs.
    assert check(replace(run, proofs=())).writes.lost == (key,)


@pytest.mark.parametrize(("older", "differs"), [(0, False), (1, True)])
def test_a_newer_read_back_may_list_more_and_an_older_one_may_not(
    older: int, differs: bool
) -> None:
    run, key = belated(good(), revision=9001, listed=True)
    keys = tuple(k for k in run.read_backs[0].keys if k != key)
    lacking = replace(run.read_backs[0], keys=keys, revision=3000 + older)
    having = replace(run.read_backs[1], revision=3001 - older)
    verdict = check(replace(run, read_backs=(lacking, having)))
    assert bool(verdict.writes.differing) == differs
    assert verdict.writes.lost == ()


def test_requests_to_a_host_that_is_dead_before_the_fault_are_counted_where_they_were_due() -> None:
    run = good()
    direct = next(s for s in run.header.streams if s.route == "m1" and s.connection == "new")
    requests = tuple(
        replace(r, outcome="timeout", status=0, end=r.at + 10)
        if r.stream == direct.id and r.at < FAULT
        else r
        for r in run.requests
    )
    verdict = check(replace(run, requests=requests))
    assert verdict.result is Result.PASSED, verdict.reasons


def test_read_backs_that_differ_fail_the_run() -> None:
    run = good()
    key = due(run, NEW_WRITE.id, 20).key
    first = replace(run.read_backs[0], keys=tuple(k for k in run.read_backs[0].keys if k != key))
    verdict = check(replace(run, read_backs=(first, *run.read_backs[1:])))
    assert verdict.result is Result.FAILED
    assert verdict.writes.differing == (key,)


def test_a_reordered_watch_fails_the_run() -> None:
    run = good()
    events = list(run.watch)
    events[50], events[51] = events[51], events[50]
    verdict = check(replace(run, watch=tuple(events)))
    assert verdict.result is Result.FAILED
    assert "out of order" in verdict.reasons[0]


def test_a_duplicated_watch_event_fails_the_run() -> None:
    run = good()
    events = list(run.watch)
    events.insert(50, events[50])
    assert check(replace(run, watch=tuple(events))).result is Result.FAILED


def test_a_gap_in_a_watch_fails_the_run() -> None:
    run = good()
    missing = next(event for event in run.watch if event.at > 20)
    verdict = check(replace(run, watch=tuple(e for e in run.watch if e is not missing)))
    assert verdict.result is Result.FAILED
    assert verdict.watches[0].missed == (missing.key,)


def test_a_watch_with_another_revision_than_acknowledged_fails_the_run() -> None:
    run = good()
    last = [event for event in run.watch if event.stream == WATCH.id][-1]
    changed = replace(last, revision=last.revision + 7)
    verdict = check(replace(run, watch=tuple(changed if e is last else e for e in run.watch)))
    assert verdict.watches[0].wrong_revision == (last.key,)
    assert verdict.result is Result.FAILED


def test_members_that_differ_fail_the_run() -> None:
    verdict = check(replace(good(), hashes=(Hashes(STOP, 2000, {"m1": 7, "m2": 8, "m3": 7}),)))
    assert verdict.result is Result.FAILED


def test_a_member_without_a_hash_is_not_called_equal_or_different() -> None:
    verdict = check(replace(good(), hashes=(Hashes(STOP, 2000, {"m1": 7, "m2": None}),)))
    assert verdict.result is Result.VOID


def test_a_gap_over_its_limit_fails_the_run() -> None:
    run = outage(good(limits={"new.any.gap": 0.4}), NEW_READ.id, FAULT, FAULT + 0.5)
    verdict = check(run)
    assert verdict.result is Result.FAILED
    assert verdict.judgements[0].where == NEW_READ.name
    assert verdict.judgements[0].value == pytest.approx(0.605)


def test_kept_connections_are_judged_one_by_one() -> None:
    run = outage(good(limits={"kept.any.gap": 1.0}), KEPT_READ.id, FAULT, FAULT + 2, lane=2)
    verdict = check(run)
    assert verdict.result is Result.FAILED
    assert verdict.judgements[0].where == KEPT_READ.name


@pytest.mark.parametrize("outcome", ["ok", "http", "timeout"])
@pytest.mark.parametrize("due_at", [FAULT - 0.1, FAULT + 1])
def test_a_single_request_that_hangs_is_as_long_as_it_hung(outcome: str, due_at: float) -> None:
    """No gap shows it: the lane's other requests are answered."""
    run = good(limits={"any.write.longest-wait": 1.5, "any.any.gap": 0.4})
    hung = due(run, KEPT_WRITE.id, due_at, lane=1)
    ended = hung.at + 6.0
    status = {"ok": 201, "http": 500, "timeout": 0}[outcome]
    later = replace(hung, outcome=outcome, status=status, end=ended)  # pyright: ignore[reportArgumentType]
    if outcome == "ok":
        events = tuple(replace(e, at=ended) if e.key == hung.key else e for e in run.watch)
        run = replace(run, watch=events)
    verdict = check(with_request(run, hung, later))
    assert verdict.result is Result.FAILED
    assert [reason.partition(",")[0] for reason in verdict.reasons] == [
        "any.write.longest-wait is 6"
    ]
    assert verdict.judgements[-1].where == KEPT_WRITE.name
    (stream,) = (s for s in verdict.streams if s.stream == KEPT_WRITE)
    assert (stream.longest_wait, stream.longest_wait_on_return) == pytest.approx((6, 0.005))
    row = next(
        line
        for line in verdict_text(verdict).partition("Latencies")[2].splitlines()
        if line.startswith(f"  {KEPT_WRITE.name} ")
    )
    assert row.split()[-4:] == ["6.00", "s", "5", "ms"]
    assert "<td>6.00 s</td>" in page([(run, verdict)])
    written = json.loads(to_json(verdict))["streams"][KEPT_WRITE.id]
    assert written["longest_wait"] == pytest.approx(6)


def test_a_serial_lane_that_waits_is_not_called_thin() -> None:
    """It sends nothing meanwhile; that is its failure, and no void run."""
    run = good(limits={"serial.write.longest-wait": 1.5, "any.any.gap": 0.4})
    hung = due(run, SERIAL_WRITE.id, FAULT, lane=2)
    requests = tuple(
        replace(r, outcome="timeout", status=0, end=r.at + 10) if r is hung else r
        for r in run.requests
        if (r.stream, r.lane) != (SERIAL_WRITE.id, 2) or r is hung or not FAULT <= r.at < UNDO
    )
    verdict = check(replace(run, requests=requests))
    assert verdict.result is Result.FAILED, verdict.reasons
    assert verdict.judgements[-1].value == pytest.approx(10)
    assert verdict.judgements[-1].where == SERIAL_WRITE.name
    (stream,) = (s for s in verdict.streams if s.stream == SERIAL_WRITE)
    assert (stream.failed, stream.failed_seconds) == (1, pytest.approx(10))
    thin = tuple(r for r in requests if r.stream != SERIAL_WRITE.id or r.lane == 2)
    assert check(replace(run, requests=thin)).result is Result.VOID


def test_a_serial_lane_says_nothing_of_the_time_between_its_requests() -> None:
    run = outage(good(), SERIAL_WRITE.id, FAULT, FAULT + 2)
    assert check(run, {"any.any.gap": 0.4, "any.any.failed-seconds": 1}).result is Result.PASSED
    assert check(run, {"any.any.failed": 0}).result is Result.FAILED
    assert check(run, {"serial.any.gap": 1.0}).result is Result.FAILED
    assert check(run, {"serial.any.failed-seconds": 1.0}).result is Result.FAILED


@pytest.mark.parametrize("metric", ["serial.watch.longest-wait", "any.watch.longest-wait"])
def test_a_watch_that_learns_late_of_its_loss_fails_the_run(metric: str) -> None:
    run = good(limits={metric: 2.0, "kept.watch.longest-wait": 2.0})
    beat = next(e for e in run.watch if e.stream == IDLE_WATCH.id and e.at > FAULT)
    told = [e for e in run.watch if e is not beat]
    # All that came after it waits, too; here there is one.
    late = replace(beat, at=beat.at + 5)
    watch = tuple(sorted((*told, late), key=lambda e: (e.stream, e.revision)))
    verdict = check(replace(run, watch=watch))
    assert verdict.result is Result.FAILED
    (missed,) = verdict.reasons
    assert missed == f"{metric} is 5, over its limit 2 (endpoint, idle)"
    before = next(e for e in run.watch if e.stream == IDLE_WATCH.id and e.at < FAULT - 6)
    watch = tuple(replace(e, at=e.at + 5) if e is before else e for e in run.watch)
    verdict = check(replace(run, watch=watch))
    assert verdict.result is Result.PASSED
    idle = next(watch for watch in verdict.watches if watch.name == "endpoint, idle")
    assert idle.delay == pytest.approx(5.002)


def test_what_is_slow_while_a_host_comes_back_stands_apart() -> None:
    run = good(limits={"any.any.longest-wait": 1.5, "any.any.longest-wait-on-return": 2.5})
    slow = due(run, NEW_READ.id, UNDO + 1)
    run = with_request(run, slow, replace(slow, end=slow.at + 2))
    verdict = check(run)
    assert verdict.result is Result.PASSED, verdict.reasons
    assert check(run, {"any.any.longest-wait-on-return": 1.5}).result is Result.FAILED


def test_a_metric_that_was_never_reached_fails_the_run() -> None:
    verdict = check(good(limits={"proof.deployment": 120}))
    assert verdict.result is Result.FAILED
    assert verdict.judgements[0].value is None


def test_a_thin_workload_is_void() -> None:
    run = good()
    thin = tuple(r for r in run.requests if r.stream != NEW_READ.id or int(r.at * 10) % 3)
    verdict = check(replace(run, requests=thin))
    assert verdict.result is Result.VOID
    assert "too thin" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"evidence": (Evidence(14.0, "boot", "m1", False, "same boot"),)}, "did not take effect"),
        ({"evidence": ()}, "no evidence"),
        ({"faults": ()}, "not injected"),
        ({"health": (Health(0.0, "before", ("m2 cannot be reached",)),)}, "unhealthy before"),
        ({"health": ()}, "no health check"),
        ({"hashes": ()}, "not compared"),
        ({"read_backs": ()}, "no complete read-back"),
        ({"lags": (Lag(STOP, (0,) * len(BOUNDS) + (9,), 2.0),)}, "prober itself was late"),
        ({"lags": ()}, "did not report its own lag"),
        ({"torn": True}, "cut short"),
        ({"broken": 1}, "unreadable"),
    ],
)
def test_a_run_that_proves_nothing_is_void(change: dict[str, object], word: str) -> None:
    verdict = check(replace(good(), **change))  # pyright: ignore[reportArgumentType] # by table
    assert verdict.result is Result.VOID
    assert any(word in reason for reason in verdict.reasons)


def test_failures_before_the_fault_make_the_run_void() -> None:
    verdict = check(outage(good(), NEW_READ.id, FAULT - 2, FAULT - 1.8))
    assert verdict.result is Result.VOID
    assert "unhealthy before" in verdict.reasons[0]


@pytest.mark.parametrize("limits", [{}, {"any.any.failed": 0.0}])
def test_what_had_long_gone_unanswered_when_the_fault_struck_is_not_the_faults(
    limits: dict[str, float],
) -> None:
    """It fails during the fault, and would count as its doing."""
    run = good(limits=limits)
    old = due(run, NEW_READ.id, FAULT - 5)
    run = with_request(run, old, replace(old, outcome="timeout", status=0, end=FAULT + 5))
    verdict = check(run)
    assert verdict.result is Result.VOID
    assert any("an answer took 5" in reason for reason in verdict.reasons)


def test_what_was_sent_right_before_the_fault_is_the_faults() -> None:
    run = good(limits={"any.any.failed": 0.0})
    old = due(run, NEW_READ.id, FAULT - 0.1)
    verdict = check(with_request(run, old, replace(old, outcome="reset", end=FAULT + 0.1)))
    assert verdict.result is Result.FAILED


def test_a_slow_answer_before_the_fault_makes_the_run_void() -> None:
    run = good()
    old = due(run, NEW_READ.id, FAULT - 5)
    assert check(with_request(run, old, replace(old, end=old.at + 0.9))).result is Result.PASSED
    verdict = check(with_request(run, old, replace(old, end=old.at + 1.1)))
    assert verdict.result is Result.VOID
    assert "an answer took 1.1 s" in verdict.reasons[0]


@pytest.mark.parametrize("at", [STEADY - 2, FAULT - 2])
def test_failures_straight_to_a_host_that_serves_make_the_run_void(at: float) -> None:
    run = good()
    direct = next(s for s in run.header.streams if s.route == "m1" and s.connection == "new")
    verdict = check(outage(run, direct.id, at, at + 0.2))
    assert verdict.result is Result.VOID
    assert "unhealthy before" in verdict.reasons[0]


def test_an_election_before_the_fault_makes_the_run_void() -> None:
    run = replace(good(), leaders=(Leader(4.0, "a"), Leader(5.0, "b"), Leader(20.0, "b")))
    assert check(run).result is Result.VOID
    run = replace(good(), leaders=(Leader(4.0, "a"), Leader(5.0, "a"), Leader(20.0, "b")))
    assert check(run).result is Result.PASSED


def test_a_lost_write_fails_even_a_void_run() -> None:
    run = replace(good(), evidence=())
    assert check(drop_key(run, due(run, NEW_WRITE.id, 20).key)).result is Result.FAILED


def test_what_is_not_whole_at_the_end_fails_the_run() -> None:
    run = good()
    health = (run.health[0], Health(STOP, "after", ("node m1 is not ready",)))
    assert check(replace(run, health=health)).result is Result.FAILED


def test_other_limits_can_be_applied_later() -> None:
    run = outage(good(), NEW_READ.id, FAULT, FAULT + 0.5)
    assert check(run).result is Result.PASSED
    assert check(run, limits={"new.read.failed": 0}).result is Result.FAILED


def felt_for_a_second(leader_limits: dict[str, float]) -> History:
    run = outage(good(limits={"new.any.gap": 0.4, "heal.node": 60}), NEW_READ.id, FAULT, FAULT + 1)
    return replace(run, header=replace(run.header, leader_limits=leader_limits))


def test_a_fault_that_takes_etcds_leader_is_judged_by_limits_of_its_own() -> None:
    run = felt_for_a_second({"new.any.gap": 1.5})
    assert check(run).result is Result.FAILED
    verdict = check(taking_leader(run))
    assert verdict.result is Result.PASSED, verdict.reasons
    assert verdict.took_leader
    assert {j.metric: j.limit for j in verdict.judgements} == {"new.any.gap": 1.5, "heal.node": 60}
    assert check(taking_leader(felt_for_a_second({"new.any.gap": 0.9}))).result is Result.FAILED


def test_limits_given_for_a_run_come_without_those_of_its_header() -> None:
    run = taking_leader(felt_for_a_second({"new.any.gap": 1.5}))
    assert check(run, {"new.any.gap": 0.4}).result is Result.FAILED
    verdict = check(run, {"new.any.gap": 0.4}, leader_limits={"new.any.gap": 1.2})
    assert verdict.result is Result.PASSED


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        ("cut", True), ("partition", True), ("pause", True),
        ("off", False), ("return", False), ("kill", False), ("none", False), ("", False),
    ],
)  # fmt: skip
def test_only_a_fault_that_silences_the_leaders_host_takes_the_leader(
    fault: str, taken: bool
) -> None:
    assert check(taking_leader(good(), fault=fault)).took_leader is taken
    assert not check(taking_leader(good(), host="m2", fault=fault)).took_leader


def test_the_leader_that_counts_is_the_one_seen_last_before_the_fault() -> None:
    run = taking_leader(good())
    moved = (Leader(1.0, "a", "m1"), Leader(FAULT - 1, "b", "m2"), Leader(FAULT + 1, "a", "m1"))
    assert not check(replace(run, leaders=moved)).took_leader
    back = (Leader(1.0, "b", "m2"), Leader(FAULT - 1, "a"), Leader(FAULT + 9, "a", "m1"))
    assert check(replace(run, leaders=back)).took_leader
    # Histories of an older kanae do not say where a leader was.
    older = (Leader(1.0, "a"), Leader(FAULT + 1, "b"))
    assert not check(replace(run, leaders=older)).took_leader
    assert not check(replace(run, leaders=())).took_leader
    assert not check(replace(run, faults=())).took_leader


def probed_from_afar(*clocks: Clock) -> History:
    run = good()
    return replace(run, header=replace(run.header, prober="client"), clocks=clocks)


def clock(when: Literal["before", "after"], offset: float = 0.0, bound: float = 0.001) -> Clock:
    return Clock(1.0, when, "client", 86400.0, offset, bound, 25)


def test_a_prober_elsewhere_whose_clock_is_known_passes() -> None:
    run = probed_from_afar(clock("before"), clock("after", 0.004))
    verdict = check(run)
    assert verdict.result is Result.PASSED, verdict.reasons
    told = "Probed from client; its dates are right within 5 ms"
    assert told in verdict_text(verdict)
    assert told in page([(run, verdict)])


@pytest.mark.parametrize(
    ("clocks", "reason"),
    [
        ((clock("before", bound=0.03), clock("after")), "before the workload"),
        ((clock("before"), clock("after", -0.019, 0.002)), "wrong by 0.021 s"),
        ((clock("before"),), "was not measured after"),
    ],
)
def test_dates_that_may_be_wrong_make_a_run_void(clocks: tuple[Clock, ...], reason: str) -> None:
    verdict = check(probed_from_afar(*clocks))
    assert verdict.result is Result.VOID
    assert reason in verdict.reasons[0]


def test_of_a_workload_cut_short_only_overtaken_events_are_missing() -> None:
    run = good()
    end = run.watch[-20]
    kept = tuple(event for event in run.watch if event.revision <= end.revision)
    short = replace(run, watch=kept, read_backs=(), phases=run.phases[:-1])
    verdict = check(short)
    assert verdict.result is Result.VOID
    assert all(not watch.missed for watch in verdict.watches)
    gone = kept[100]
    less = replace(short, watch=tuple(e for e in kept if e.key != gone.key))
    verdict = check(less)
    assert verdict.result is Result.FAILED
    assert gone.key in verdict.reasons[0]


def missing(run: History, *routes: str) -> History:
    streams = tuple(s for s in run.header.streams if s.route not in routes)
    kept = {s.id for s in streams}
    return replace(
        run,
        header=replace(run.header, streams=streams, inside=""),
        requests=tuple(r for r in run.requests if r.stream in kept),
        watch=tuple(e for e in run.watch if e.stream in kept),
    )


def named(run: History, name: str) -> Stream:
    return next(s for s in run.header.streams if s.name == name)


def test_what_is_felt_inside_is_judged_by_limits_of_its_own() -> None:
    limits = {"inside.new.any.failed": 0.0, "any.any.failed": 0.0, "dns.failed": 0.0}
    run = good(limits=limits)
    assert check(run).result is Result.PASSED
    struck = outage(run, named(run, "inside new read").id, FAULT, FAULT + 1)
    verdict = check(struck)
    assert verdict.result is Result.FAILED
    assert verdict.reasons == ("inside.new.any.failed is 5, over its limit 0 (inside new read)",)
    struck = outage(run, named(run, "dns new lookup").id, FAULT, FAULT + 1)
    assert check(struck).reasons == ("dns.failed is 10, over its limit 0 (dns new lookup)",)
    struck = outage(run, KEPT_READ.id, FAULT, FAULT + 1)
    assert "any.any.failed is 10" in check(struck).reasons[0]
    text = verdict_text(check(run))
    assert "Looked from inside by way of w1: the way itself took 5 ms (p50)" in text
    assert "Looked from inside by way of w1" in page([(run, check(run))])


def test_a_run_that_did_not_look_from_inside_is_not_judged_by_it() -> None:
    limits = {"inside.new.any.failed": 0.0, "dns.gap": 1.0, "new.any.failed": 0.0}
    verdict = check(missing(good(limits=limits), INSIDE, DNS, CONTROL))
    assert verdict.result is Result.PASSED, verdict.reasons
    assert [judgement.metric for judgement in verdict.judgements] == ["new.any.failed"]
    assert "Nobody looked from inside" in verdict_text(verdict)


@pytest.mark.parametrize("name", ["inside new read", "dns new lookup", "control new ping"])
def test_a_way_inside_that_never_worked_makes_the_run_void(name: str) -> None:
    run = good()
    verdict = check(outage(run, named(run, name).id, 0, STOP))
    assert verdict.result is Result.VOID
    assert f"unhealthy before: {name}" in verdict.reasons[0]


def test_what_the_cut_before_a_return_cost_is_not_held_against_it() -> None:
    run = good()
    run = replace(run, header=replace(run.header, fault="return"))
    cut = outage(run, KEPT_READ.id, STEADY - 1, STEADY - 0.5)
    cut = outage(cut, named(run, "dns new lookup").id, STEADY - 1, FAULT - 1)
    assert check(cut).result is Result.PASSED, check(cut).reasons
    assert check(outage(run, KEPT_READ.id, STEADY, STEADY + 0.5)).result is Result.VOID


def slowed(run: History, seconds: float, stream: Stream, at: float = FAULT + 2) -> History:
    slow = due(run, stream.id, at)
    return with_request(run, slow, replace(slow, end=slow.at + seconds))


def test_a_limit_missed_by_what_the_machine_took_makes_the_run_void() -> None:
    run = slowed(good(limits={"any.any.longest-wait": 1.5}), 1.8, KEPT_READ)
    assert check(run).result is Result.FAILED
    control = named(run, "control new ping")
    verdict = check(slowed(run, 0.4, control))
    assert verdict.result is Result.VOID
    assert verdict.reasons[0] == (
        "the machine was slow: 0.4 s for what no fault can touch, load average 0.5 on 2 cores;"
        " without that every limit would have been met"
    )
    assert "any.any.longest-wait is 1.8" in verdict.reasons[1]
    # By more than that: it was not the machine alone.
    assert check(slowed(run, 0.2, control)).result is Result.FAILED
    # While the host came back: that says nothing of the fault.
    assert check(slowed(run, 0.4, control, UNDO + 2)).result is Result.FAILED
    assert check(slowed(run, 1.1, control, UNDO + 2)).result is Result.FAILED
    # The prober's own lag tells too.
    counts = (5000, *(0,) * len(BOUNDS))
    last = Lag(STOP, counts, 0.0009)
    for at, result in (
        (FAULT + 3, Result.VOID), (FAULT - 1, Result.FAILED), (UNDO + 3, Result.FAILED),
    ):  # fmt: skip
        assert check(replace(run, lags=(Lag(at, counts, 0.4), last))).result is result


def test_a_limit_of_the_return_is_excused_by_what_the_machine_took_then() -> None:
    run = good(limits={"any.any.longest-wait-on-return": 1.5})
    run = slowed(run, 1.8, KEPT_READ, UNDO + 2)
    control = named(run, "control new ping")
    assert check(slowed(run, 0.4, control, FAULT + 2)).result is Result.FAILED
    assert check(slowed(run, 0.4, control, UNDO + 2)).result is Result.VOID


def test_a_way_inside_that_fails_is_no_outage_of_the_cluster() -> None:
    run = good(limits={"inside.new.any.failed": 0.0, "any.any.failed": 0.0})
    run = outage(run, named(run, "inside new read").id, FAULT + 1, FAULT + 2)
    assert check(run).result is Result.FAILED
    broken = outage(run, named(run, "control new ping").id, FAULT + 1, FAULT + 2)
    verdict = check(broken)
    assert verdict.result is Result.VOID
    assert verdict.reasons[0] == "the way inside failed: 5 times for what no fault can touch"
    # Of what goes another way it is no excuse.
    assert check(outage(broken, NEW_READ.id, FAULT + 1, FAULT + 2)).result is Result.FAILED


def test_a_slow_machine_neither_fails_a_run_nor_keeps_it_from_passing() -> None:
    run = good(limits={"any.any.failed": 0.0})
    control = named(run, "control new ping")
    failed = outage(run, NEW_READ.id, FAULT, FAULT + 0.2)
    # Failed requests are no matter of seconds, unless nothing can be said at all.
    assert check(slowed(failed, 0.9, control)).result is Result.FAILED
    assert check(slowed(failed, 1.1, control)).result is Result.VOID
    assert check(slowed(run, 1.1, control)).result is Result.PASSED
    unwell = replace(failed, health=(run.health[0], Health(STOP, "after", ("m1 is not ready",))))
    assert check(slowed(unwell, 1.1, control)).result is Result.FAILED
