"""Random plans with random failures: what holds for every one of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from kanae.errors import ConnectError, ConnectionLost, StepFailed
from kanae.execute.context import Handler, StepContext
from kanae.execute.events import Event, Outcome, RunEnded, RunStarted, StepEnded, StepStarted
from kanae.execute.scheduler import RunContext, run_plan
from kanae.plan.model import Action, Plan, Step
from kanae.transport.protocol import Transport

GOOD = {Outcome.OK, Outcome.CHANGED}


@dataclass(frozen=True, slots=True)
class Fate(Action):
    """ends: how each attempt ends, the last for all further ones. pauses: turns of the loop."""

    ends: tuple[str, ...]
    pauses: int


class Away:
    def __getitem__(self, host: str) -> Transport:
        raise KeyError(host)

    async def recover(self, host: str, *, grace: float) -> None:
        if host == "h2":
            raise ConnectError(host, "away")


@dataclass
class Recording:
    run: str = "r"
    events: list[Event] = field(default_factory=list[Event])

    def record(self, event: Event) -> None:
        self.events.append(event)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    steps: list[Step] = []
    ends = st.sampled_from(["ok", "changed", "changed", "changed", "failed", "lost", "defect"])
    for number in range(draw(st.integers(0, 14))):
        known = [step.id for step in steps]
        needs = draw(st.lists(st.sampled_from(known), unique=True, max_size=3)) if known else []
        action = Fate(tuple(draw(st.lists(ends, min_size=1, max_size=2))), draw(st.integers(0, 3)))
        host = draw(st.sampled_from(["h1", "h2", None]))
        steps.append(Step(f"s{number}", host, "stage", "title", action, tuple(needs)))
    return Plan("demo", tuple(steps))


@settings(max_examples=300, deadline=None)
@given(plans(), st.integers(1, 3), st.none() | st.integers(0, 20), st.booleans())
def test_what_holds_for_every_run(
    plan: Plan, parallel: int, interrupt_at: int | None, twice: bool
) -> None:
    journal = Recording()
    attempts: dict[str, int] = {}
    running: dict[str | None, int] = {}

    async def carry_out(context: StepContext) -> Outcome:
        action, step = context.action(Fate), context.step
        begun = {e.step for e in journal.events if isinstance(e, StepStarted)}
        assert step.id in begun, "the intent is recorded before the action"
        attempt = attempts[step.id] = attempts.get(step.id, 0) + 1
        running[step.host] = running.get(step.host, 0) + 1
        assert running[step.host] <= parallel
        try:
            for _ in range(action.pauses):
                await asyncio.sleep(0)
        finally:
            running[step.host] -= 1
        match action.ends[min(attempt, len(action.ends)) - 1]:
            case "failed":
                raise StepFailed("h", "c", 1, "")
            case "lost":
                raise ConnectionLost(step.host or "h1", "lost")
            case "defect":
                raise ZeroDivisionError
            case end:
                return Outcome(end)

    async def whole() -> None:
        run = asyncio.ensure_future(
            run_plan(
                plan, {Fate: Handler(carry_out)}, RunContext(Away()), journal=journal,
                parallel=parallel,
            )
        )  # fmt: skip
        if interrupt_at is not None:
            for _ in range(interrupt_at + 1):
                await asyncio.sleep(0)
            for _ in range(1 + twice):
                run.cancel()
                await asyncio.sleep(0)
        result = await run
        assert list(result.steps) == [step.id for step in plan]
        for step in plan:
            mine = result.steps[step.id]
            needs = [result.steps[need].outcome for need in step.needs]
            if mine.outcome is not Outcome.SKIPPED:
                assert all(outcome in GOOD for outcome in needs)
            elif not result.interrupted:
                assert any(outcome not in GOOD for outcome in needs)
                assert result.steps[mine.because].outcome not in GOOD | {Outcome.SKIPPED}

    asyncio.run(whole())

    assert isinstance(journal.events[0], RunStarted)
    assert isinstance(journal.events[-1], RunEnded)
    started: set[str] = set()
    ended: dict[str, Outcome] = {}
    for event in journal.events:
        if isinstance(event, StepStarted):
            assert event.step not in started | set(ended), "each step begins at most once"
            assert all(ended.get(need) in GOOD for need in plan.by_id()[event.step].needs)
            started.add(event.step)
        elif isinstance(event, StepEnded):
            assert event.step not in ended, "and ends exactly once"
            assert (event.outcome is Outcome.SKIPPED) != (event.step in started)
            ended[event.step] = event.outcome
    assert set(ended) == {step.id for step in plan}
    assert all(count <= 2 for count in attempts.values())
