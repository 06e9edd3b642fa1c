"""Every drill can fail, by each of its limits and by each broken promise; and each can be void."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from drill_histories import (
    AFTER,
    FAULT,
    NEW_READ,
    NEW_WRITE,
    STEADY,
    STOP,
    STREAMS,
    UNDO,
    due,
    good,
    outage,
    taking_leader,
    with_request,
)

from kanae.drills.judging import thresholds
from kanae.drills.judging.checker import check
from kanae.drills.judging.verdict import Result, Verdict
from kanae.drills.records import (
    BOUNDS,
    DNS,
    ENDPOINT,
    INSIDE,
    Error,
    Evidence,
    Hashes,
    History,
    Lag,
    Leader,
    Proof,
    Stream,
)
from kanae.drills.scenarios.catalogue import DRILLS

DATA = thresholds.load()
KINDS = ("haproxy", "nginx")
LEADER_LIMITS = [
    (drill, kind, metric)
    for drill in DRILLS
    for kind in KINDS
    for metric in thresholds.leader_limits(DATA, drill, kind)
]
LIMITS = [
    (drill, kind, metric)
    for drill in DRILLS
    for kind in KINDS
    for metric in thresholds.limits(DATA, drill, kind)
]


def run_of(drill: str, kind: str) -> History:
    """A run that meets every limit of a drill."""
    limits = thresholds.limits(DATA, drill, kind)
    instead = thresholds.leader_limits(DATA, drill, kind)
    run = good(drill, dict(limits))
    proofs = tuple(
        Proof(FAULT + 5, metric.partition(".")[2], True, 1.0, "")
        for metric in limits
        if metric.startswith("proof.")
    )
    header = replace(run.header, balancer=kind, leader_limits=instead)
    return replace(run, header=header, proofs=(*run.proofs, *proofs))


def missed(run: History, metric: str, limit: float) -> History:
    """The run with one metric just over its limit."""
    group, _, name = metric.partition(".")
    if group == "heal":
        heals = (
            replace(each, seconds=limit + 1) if each.what == name else each for each in run.heals
        )
        return replace(run, heals=tuple(heals))
    if group == "proof":
        proofs = (each for each in run.proofs if each.name != name)
        return replace(run, proofs=(*proofs, Proof(STOP, name, True, limit + 1, "")))
    if metric == "leader-changes":
        leaders = tuple(Leader(float(n), str(n)) for n in range(int(limit) + 2))
        return replace(run, leaders=leaders)
    stream, figure = one_of(metric), metric.rpartition(".")[2]
    if figure == "longest-wait":
        return slow(run, stream, limit + 0.2)
    if figure == "failed-seconds":
        return every_nth_fails(run, stream, 2, 2 * (limit + stream.period))
    seconds = stream.period * (limit + 1) if figure.startswith("failed") else limit + 0.2
    begin = UNDO if figure == "failed-on-return" else FAULT
    return outage(run, stream.id, begin, begin + seconds, lane=stream.lanes - 1)


def one_of(metric: str) -> Stream:
    """A stream that the metric is of. Over new connections, which have limits of their own, where
    there is no other."""
    first, *names = metric.split(".")
    route = first if first in (INSIDE, DNS) else ENDPOINT
    if route == ENDPOINT:
        names = [first, *names]
    connection, kind, _ = names if len(names) == 3 else ["any", "any", *names]
    connections = ("kept", "serial", "new") if connection == "any" else (connection,)
    return next(
        stream
        for each in connections
        for stream in STREAMS
        if (stream.route, stream.connection) == (route, each)
        and (stream.kind != "watch" if kind == "any" else stream.kind == kind)
    )


def slow(run: History, stream: Stream, seconds: float) -> History:
    """One request due after the fault takes so long, or one event after it is so late, while the
    others go on."""
    if stream.kind == "watch":
        late = next(event for event in run.watch if event.stream == stream.id and event.at > FAULT)
        events = (replace(e, at=e.at + seconds) if e is late else e for e in run.watch)
        return replace(run, watch=tuple(events))
    request = due(run, stream.id, FAULT)
    return with_request(run, request, replace(request, end=request.at + seconds))


def every_nth_fails(run: History, stream: Stream, nth: int, seconds: float) -> History:
    """From the fault on. The successes in between end every gap."""
    requests = tuple(
        replace(r, outcome="timeout", status=0)
        if r.stream == stream.id
        and FAULT <= r.at < FAULT + seconds
        and round(r.at / stream.period) % nth == 0
        else r
        for r in run.requests
    )
    return replace(run, requests=requests)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("drill", DRILLS)
def test_a_drill_that_meets_its_limits_passes(drill: str, kind: str) -> None:
    verdict = check(run_of(drill, kind))
    assert verdict.result is Result.PASSED, verdict.reasons


@pytest.mark.parametrize(("drill", "kind", "metric"), LIMITS)
def test_a_drill_fails_by_each_of_its_limits_alone(drill: str, kind: str, metric: str) -> None:
    limit = thresholds.limits(DATA, drill, kind)[metric]
    verdict = check(missed(run_of(drill, kind), metric, limit))
    assert verdict.result is Result.FAILED
    broken = {judgement.metric for judgement in verdict.judgements if not judgement.met}
    assert metric in broken
    # What is felt by one stream may be over the limit of a group that has it, too.
    every = ("gap", "longest-wait", "failed", "failed-seconds", "failed-on-return")
    assert broken <= {metric, *(f"any.any.{figure}" for figure in every)}


@pytest.mark.parametrize(("drill", "kind", "metric"), LEADER_LIMITS)
def test_a_drill_that_takes_etcds_leader_bears_an_election_and_no_more(
    drill: str, kind: str, metric: str
) -> None:
    limit = thresholds.leader_limits(DATA, drill, kind)[metric]
    usual = thresholds.limits(DATA, drill, kind)[metric]
    assert limit >= usual
    run = taking_leader(run_of(drill, kind), fault=DRILLS[drill].kind)
    verdict = check(missed(run, metric, limit))
    over = {judgement.metric for judgement in verdict.judgements if not judgement.met}
    assert metric in over
    # 1.1 s without any answer, by one stream.
    elected = check(outage(run, NEW_READ.id, FAULT, FAULT + 1.1))
    assert elected.result is Result.PASSED, elected.reasons


@pytest.mark.parametrize("drill", DRILLS)
def test_a_drill_judges_what_its_users_feel(drill: str) -> None:
    for kind in KINDS:
        limits = thresholds.limits(DATA, drill, kind)
        felt = [metric for metric in limits if not metric.startswith(("heal.", "proof."))]
        # With all hosts away users feel everything: only the return is judged.
        assert bool(felt) == (not DRILLS[drill].outage)


def test_a_balancer_that_sends_every_third_connection_to_a_dead_server_fails_the_drill() -> None:
    run = every_nth_fails(run_of("power-cut", "haproxy"), NEW_READ, 3, UNDO - FAULT)
    verdict = check(run)
    assert verdict.result is Result.FAILED
    over = [judgement.metric for judgement in verdict.judgements if not judgement.met]
    assert over == ["any.any.failed-seconds"]


def test_a_request_that_was_under_way_when_the_fault_struck_is_the_faults() -> None:
    run = run_of("power-cut", "haproxy")
    struck = due(run, NEW_READ.id, FAULT - 0.1)

    def with_answer(outcome: Error, end: float) -> Verdict:
        changed = replace(struck, outcome=outcome, status=0, end=end)
        return check(
            replace(run, requests=tuple(changed if r is struck else r for r in run.requests))
        )

    verdict = with_answer("reset", FAULT + 0.5)
    assert verdict.result is Result.PASSED, verdict.reasons
    assert sum(each.failed for each in verdict.streams) == 1
    assert with_answer("reset", FAULT - 0.05).result is Result.VOID


def lose_a_write(run: History) -> History:
    key = due(run, NEW_WRITE.id, 20).key
    return replace(
        run,
        read_backs=tuple(
            replace(back, keys=tuple(k for k in back.keys if k != key)) for back in run.read_backs
        ),
    )


def reorder_a_direct_watch(run: History) -> History:
    events = list(run.watch)
    direct = next(s.id for s in STREAMS if s.kind == "watch" and s.route != ENDPOINT)
    first = next(i for i, event in enumerate(events) if event.stream == direct and event.at > UNDO)
    events[first], events[first + 1] = events[first + 1], events[first]
    return replace(run, watch=tuple(events))


def skip_an_event(run: History) -> History:
    missing = next(event for event in run.watch if event.at > FAULT)
    return replace(run, watch=tuple(event for event in run.watch if event is not missing))


def let_members_differ(run: History) -> History:
    return replace(run, hashes=(Hashes(STOP, 2000, {"m1": 7, "m2": 7, "m3": 8}),))


PROMISES: tuple[Callable[[History], History], ...] = (
    lose_a_write, reorder_a_direct_watch, skip_an_event, let_members_differ,
)  # fmt: skip


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("drill", DRILLS)
def test_a_broken_promise_fails_every_drill_also_when_it_is_void(
    drill: str, promise: Callable[[History], History]
) -> None:
    run = promise(run_of(drill, "nginx"))
    assert check(run).result is Result.FAILED
    assert check(replace(run, evidence=())).result is Result.FAILED


def thin_between(begin: float, end: float) -> Callable[[History], History]:
    def thin(run: History) -> History:
        """Half of one stream's requests are missing there: the prober stood still."""
        kept = tuple(
            r
            for r in run.requests
            if r.stream != NEW_READ.id or not begin <= r.at < end or round(r.at * 10) % 2
        )
        return replace(run, requests=kept)

    return thin


def be_late(run: History) -> History:
    """2 % of all requests began more than a tenth of a second late."""
    counts = [4900, *(0,) * len(BOUNDS)]
    counts[BOUNDS.index(0.2)] = 100
    return replace(run, lags=(Lag(STOP, tuple(counts), 0.15),))


def spare_one_host(run: History) -> History:
    silent = Evidence(FAULT + 2, "silence", "m2", False, "its SSH port greets")
    return replace(run, evidence=(*run.evidence, silent))


VOIDS: tuple[Callable[[History], History], ...] = (
    thin_between(STEADY, FAULT), thin_between(FAULT, AFTER), thin_between(AFTER, STOP),
    be_late, spare_one_host,
)  # fmt: skip


@pytest.mark.parametrize("call", VOIDS)
@pytest.mark.parametrize("drill", DRILLS)
def test_every_drill_is_void_when_it_proves_nothing(
    drill: str, call: Callable[[History], History]
) -> None:
    assert check(call(run_of(drill, "nginx"))).result is Result.VOID


def test_lag_before_the_measurement_does_not_count() -> None:
    run = good()
    early = Lag(STEADY - 1, (0,) * len(BOUNDS) + (900,), 2.0)
    assert check(replace(run, lags=(early, *run.lags))).result is Result.PASSED
