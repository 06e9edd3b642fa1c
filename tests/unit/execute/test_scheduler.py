"""Running plans: order, failures, lost connections, interrupts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from kanae.errors import ConnectError, ConnectionLost, KanaeError, StepFailed, StepTimedOut
from kanae.execute.context import Handler, StepContext
from kanae.execute.events import Event, Outcome, StepEnded, StepProgress, StepStarted
from kanae.execute.redact import Redactor
from kanae.execute.result import RunResult, StepResult
from kanae.execute.scheduler import RunContext, run_plan
from kanae.plan.model import Action, Plan, Step
from kanae.transport.protocol import Transport


@dataclass(frozen=True, slots=True)
class Harmless(Action):
    pass


@dataclass(frozen=True, slots=True)
class Once(Action):
    repeatable: ClassVar[bool] = False


@dataclass
class Recording:
    run: str = "run-1"
    events: list[Event] = field(default_factory=list[Event])

    def record(self, event: Event) -> None:
        self.events.append(event)

    def order(self) -> list[str]:
        return [
            f"{'begin' if isinstance(e, StepStarted) else e.outcome.value} {e.step}"
            for e in self.events
            if isinstance(e, StepStarted | StepEnded)
        ]


@dataclass
class NoHosts:
    """Hosts that can only be recovered. away: reconnecting fails."""

    away: bool = False
    recovered: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    def __getitem__(self, host: str) -> Transport:
        raise KeyError(host)

    async def recover(self, host: str, *, grace: float) -> None:
        self.recovered.append((host, grace))
        if self.away:
            raise ConnectError(host, "no answer")


Body = Callable[[StepContext], Awaitable[Outcome]]


async def changed(context: StepContext) -> Outcome:
    return Outcome.CHANGED


def step(id_: str, *needs: str, action: Action | None = None, timeout: float = 60.0) -> Step:
    return Step(id_, "m1", "stage", f"do {id_}", action or Harmless(), needs, timeout=timeout)


def plan(*steps: Step) -> Plan:
    return Plan("demo", steps)


async def carry_out(
    steps: Plan,
    body: Body = changed,
    *,
    done: Callable[[StepContext], Awaitable[bool | None]] | None = None,
    hosts: NoHosts | None = None,
    journal: Recording | None = None,
    emit: Callable[[Event], None] | None = None,
    parallel: int = 4,
) -> RunResult:
    handlers: Mapping[type[Action], Handler] = {
        Harmless: Handler(body),
        Once: Handler(body, done),
    }
    context = RunContext(hosts or NoHosts())
    return await run_plan(
        steps, handlers, context, journal=journal or Recording(), emit=emit, parallel=parallel
    )


def failing(*ids: str, error: Exception | None = None) -> Body:
    async def body(context: StepContext) -> Outcome:
        if context.step.id in ids:
            raise error or StepFailed("m1", "systemctl start x", 1, "it broke", remedy="mend it")
        return Outcome.CHANGED

    return body


def outcomes(result: RunResult) -> dict[str, str]:
    return {id_: one.outcome.value for id_, one in result.steps.items()}


async def test_steps_run_after_what_they_need() -> None:
    journal = Recording()
    result = await carry_out(plan(step("a"), step("b", "a"), step("c", "b")), journal=journal)
    assert journal.order() == [
        "begin a",
        "changed a",
        "begin b",
        "changed b",
        "begin c",
        "changed c",
    ]
    assert result.ok


async def test_independent_steps_run_at_once_up_to_the_limit() -> None:
    running = peak = 0
    full = asyncio.Event()

    async def body(context: StepContext) -> Outcome:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        if running == 3:
            full.set()
        await full.wait()
        running -= 1
        return Outcome.OK

    await carry_out(plan(*(step(f"s{n}") for n in range(9))), body, parallel=3)
    assert peak == 3


async def test_a_failure_stops_only_what_depends_on_it() -> None:
    steps = plan(step("a"), step("b", "a"), step("c", "b"), step("x"), step("y", "x"))
    result = await carry_out(steps, failing("a"))
    assert outcomes(result) == {
        "a": "failed",
        "b": "skipped",
        "c": "skipped",
        "x": "changed",
        "y": "changed",
    }
    assert result.steps["c"].because == "a"


async def test_the_error_of_a_run_says_all_that_a_person_needs() -> None:
    context = RunContext(NoHosts())
    context.values.put("token", "abcdef.0123456789abcdef")
    error = StepFailed("m1", "kubeadm join", 1, "token abcdef.0123456789abcdef", remedy="mend it")
    result = await carry_out(plan(step("a"), step("b", "a")), failing("a", error=error))
    text = str(result.failure(context.values.redactor))
    for part in ("1 of 2 steps failed", "a (do a)", "m1", "kubeadm join", "status 1", "mend it"):
        assert part in text
    assert "not begun for it: b" in text
    assert "0123456789abcdef" not in text


async def test_a_step_out_of_time_fails() -> None:
    async def body(context: StepContext) -> Outcome:
        await asyncio.Event().wait()
        return Outcome.OK

    result = await carry_out(plan(step("a", timeout=0.05)), body)
    assert isinstance(result.steps["a"].error, StepTimedOut)


async def test_a_defect_is_a_failed_step_and_not_a_crash() -> None:
    result = await carry_out(plan(step("a"), step("b")), failing("a", error=KeyError("oops")))
    assert outcomes(result) == {"a": "failed", "b": "changed"}


async def test_a_deed_without_handler_is_refused_before_anything_runs() -> None:
    journal = Recording()
    with pytest.raises(TypeError, match="no handler for actions of type Action"):
        await carry_out(plan(step("a"), step("b", action=Action())), journal=journal)
    assert journal.events == []


def losing(times: int, calls: list[str]) -> Body:
    async def body(context: StepContext) -> Outcome:
        calls.append(context.step.id)
        if len(calls) <= times:
            raise ConnectionLost("m1", "the connection was lost")
        return Outcome.CHANGED

    return body


async def test_a_repeatable_step_runs_once_more_after_a_lost_connection() -> None:
    calls: list[str] = []
    hosts = NoHosts()
    result = await carry_out(plan(step("a")), losing(1, calls), hosts=hosts)
    assert (calls, hosts.recovered, result.ok) == (["a", "a"], [("m1", 0.0)], True)


async def test_it_runs_only_once_more() -> None:
    calls: list[str] = []
    result = await carry_out(plan(step("a")), losing(9, calls))
    assert len(calls) == 2
    assert outcomes(result) == {"a": "indeterminate"}


async def test_a_host_that_stays_away_leaves_the_outcome_unknown() -> None:
    result = await carry_out(plan(step("a")), losing(1, []), hosts=NoHosts(away=True))
    assert outcomes(result) == {"a": "indeterminate"}
    assert "no answer" in str(result.steps["a"].error)


@pytest.mark.parametrize(
    ("answer", "runs", "outcome"),
    [(True, 1, "changed"), (False, 2, "changed"), (None, 1, "indeterminate")],
)
async def test_a_deed_not_to_be_repeated_is_probed_first(
    answer: bool | None, runs: int, outcome: str
) -> None:
    calls: list[str] = []
    hosts = NoHosts()

    async def done(context: StepContext) -> bool | None:
        return answer

    result = await carry_out(
        plan(step("a", action=Once())), losing(1, calls), done=done, hosts=hosts
    )
    assert len(calls) == runs
    assert outcomes(result) == {"a": outcome}
    assert hosts.recovered[0][1] > 0, "what runs on the host is given time to end"


async def test_without_a_probe_it_is_never_repeated() -> None:
    calls: list[str] = []
    result = await carry_out(plan(step("a", action=Once())), losing(1, calls))
    assert (calls, outcomes(result)) == (["a"], {"a": "indeterminate"})


async def test_the_first_interrupt_lets_running_steps_end() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def body(context: StepContext) -> Outcome:
        begun.set()
        await go_on.wait()
        return Outcome.CHANGED

    run = asyncio.ensure_future(carry_out(plan(step("a"), step("b", "a"), step("c", "b")), body))
    await begun.wait()
    run.cancel()
    go_on.set()
    result = await run
    assert outcomes(result) == {"a": "changed", "b": "skipped", "c": "skipped"}
    assert result.interrupted
    assert not result.ok
    assert result.failure(Redactor()).exit_code == 130


async def test_the_second_interrupt_ends_them() -> None:
    begun, stopping = asyncio.Event(), asyncio.Event()

    async def body(context: StepContext) -> Outcome:
        begun.set()
        await asyncio.Event().wait()
        return Outcome.CHANGED

    async def twice(run: asyncio.Future[RunResult]) -> None:
        await begun.wait()
        run.cancel()
        asyncio.get_running_loop().call_soon(stopping.set)
        await stopping.wait()
        run.cancel()

    run = asyncio.ensure_future(carry_out(plan(step("a"), step("b", "a")), body))
    await twice(run)
    result = await run
    assert outcomes(result) == {"a": "indeterminate", "b": "skipped"}
    assert "interrupt" in str(result.steps["a"].error)


async def test_a_journal_that_cannot_be_written_ends_the_run() -> None:
    class Broken(Recording):
        def record(self, event: Event) -> None:
            if isinstance(event, StepEnded):
                raise OSError("disk full")

    ended: list[str] = []

    async def body(context: StepContext) -> Outcome:
        if context.step.id == "slow":
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("slow")
        return Outcome.OK

    with pytest.raises(OSError, match="disk full"):
        await carry_out(plan(step("slow"), step("fast")), body, journal=Broken())
    assert ended == ["slow"]


async def test_progress_is_shown_with_secrets_masked() -> None:
    seen: list[Event] = []

    async def body(context: StepContext) -> Outcome:
        context.values.put("key", "correct-horse-battery")
        context.progress("using correct-horse-battery", 0.5)
        raise KanaeError("rejected correct-horse-battery")

    await carry_out(plan(step("a")), body, emit=seen.append)
    texts = [e.message for e in seen if isinstance(e, StepProgress)]
    texts += [e.error for e in seen if isinstance(e, StepEnded)]
    assert texts == ["using <masked>", "rejected <masked>"]


def test_one_cause_on_several_hosts_is_told_once_with_the_log() -> None:
    def step(host: str, title: str = "write files") -> Step:
        return Step(f"{host}/system/files", host, "system", title, Harmless())

    steps = (step("m1"), step("m2"), step("w1"), step("w2", "load images"))
    full = {s.host: StepFailed(f"{s.host}", "sh", 1, "no space", remedy="free") for s in steps}
    full["w1"] = StepFailed("w1", "sh", 1, "something else", remedy="free")
    results = {s.id: StepResult(Outcome.FAILED, 1.0, full[s.host]) for s in steps}
    log = Path("/state/run.jsonl")
    failure = RunResult(Plan("c", steps), "r", results, log=log).failure(Redactor())
    lines = failure.message.splitlines()
    assert lines[0] == "4 of 4 steps failed:"
    assert lines[1] == "- m1/system/files, m2/system/files (write files) failed"
    assert lines[2] == "    m1, m2: 'sh' ended with status 1"
    assert failure.message.count("no space") == 2
    assert failure.message.count("something else") == 1
    assert lines[-1] == "log: /state/run.jsonl"
    assert failure.log == log
