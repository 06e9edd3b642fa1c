"""Running a plan: each step as soon as all that it needs is done.

A step that fails takes with it only what depends on it. Ctrl-C (cancellation) lets running steps
end and begins no others; a second one ends them. Intents are in the journal before the actions.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from kanae.errors import (
    ConnectError,
    ConnectionLost,
    KanaeError,
    StepTimedOut,
)
from kanae.execute.context import Handler, Hosts, StepContext
from kanae.execute.events import (
    Event,
    Outcome,
    RunEnded,
    RunStarted,
    RunStopping,
    StepEnded,
    StepProgress,
    StepStarted,
)
from kanae.execute.redact import masked
from kanae.execute.result import GOOD, RunResult, StepResult, explain
from kanae.execute.values import Values
from kanae.plan.model import Action, Plan, Step

# Steps at once on one host; a step may itself use several of its eight channels.
PER_HOST = 4
# After a lost connection, what runs on the host gets this long to end by itself when its action
# must not be repeated blindly: half a `kubeadm join` is worse than a late one.
SETTLE = 60.0

_log = logging.getLogger(__name__)


class Recorder(Protocol):
    """`kanae.execute.journal.Journal`, or what a test puts in its place."""

    @property
    def run(self) -> str: ...

    def record(self, event: Event) -> None: ...


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all steps of a run share."""

    hosts: Hosts
    values: Values = field(default_factory=Values)
    purpose: str = ""


async def run_plan(
    plan: Plan,
    handlers: Mapping[type[Action], Handler],
    context: RunContext,
    *,
    journal: Recorder,
    emit: Callable[[Event], None] | None = None,
    parallel: int = PER_HOST,
) -> RunResult:
    """Carry out a plan to its end, failures included; see RunResult.raise_failed.

    journal: gets every event but progress, before emit. parallel: steps at once on one host.
    """
    unknown = {type(step.action).__name__ for step in plan if type(step.action) not in handlers}
    if unknown:
        raise TypeError(f"no handler for actions of type {', '.join(sorted(unknown))}")
    return await _Run(plan, handlers, context, journal, emit, parallel).run()


class _Run:
    """The state of one run; lives as long as run_plan."""

    def __init__(
        self,
        plan: Plan,
        handlers: Mapping[type[Action], Handler],
        context: RunContext,
        journal: Recorder,
        emit: Callable[[Event], None] | None,
        parallel: int,
    ) -> None:
        self._plan = plan
        self._handlers = handlers
        self._context = context
        self._journal = journal
        self._emit = emit
        self._steps = plan.by_id()
        self._missing = {step.id: set(step.needs) for step in plan}
        self._wanted_by: dict[str, list[str]] = defaultdict(list)
        for step in plan:
            for need in step.needs:
                self._wanted_by[need].append(step.id)
        self._slots = defaultdict[str | None, asyncio.Semaphore](
            lambda: asyncio.Semaphore(parallel)
        )
        self._results: dict[str, StepResult] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._hard = False

    async def run(self) -> RunResult:
        run, cluster = self._journal.run, self._plan.cluster
        purpose = self._context.purpose
        self._say(RunStarted(time.time(), run, cluster, len(self._plan.steps), purpose))
        try:
            for step in self._plan:
                self._begin_if_ready(step.id)
            await self._until_done()
        finally:
            # Also when the journal cannot be written: no step runs on unrecorded.
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for step in self._plan:
            if step.id not in self._results:
                self._end(step, StepResult(Outcome.SKIPPED))
        result = RunResult(
            self._plan,
            run,
            {step.id: self._results[step.id] for step in self._plan},
            self._stopping,
        )
        self._say(RunEnded(time.time(), run, result.counts))
        return result

    async def _until_done(self) -> None:
        while self._tasks:
            try:
                done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if current is not None:
                    current.uncancel()
                self._hard = self._stopping
                self._stopping = True
                if self._hard:
                    for task in self._tasks:
                        task.cancel()
                else:
                    waiting = sorted(task.get_name() for task in self._tasks)
                    self._say(RunStopping(time.time(), tuple(waiting)))
                continue
            for task in done:
                self._tasks.discard(task)
                # Raises only for what is wrong with the run itself, such as the journal's disk.
                if not task.cancelled():
                    task.result()

    def _begin_if_ready(self, id_: str) -> None:
        if not self._missing[id_] and id_ not in self._results and not self._stopping:
            self._tasks.add(asyncio.create_task(self._carry_out(self._steps[id_]), name=id_))

    async def _carry_out(self, step: Step) -> None:
        async with self._slots[step.host]:
            if self._stopping:
                return
            self._say(StepStarted(time.time(), step.id, step.host, step.title))
            began = time.monotonic()
            try:
                outcome, error = await self._attempt(step)
            except asyncio.CancelledError:
                if not self._hard:
                    raise
                outcome, error = Outcome.INDETERMINATE, KanaeError("ended by a second interrupt")
            self._end(step, StepResult(outcome, time.monotonic() - began, error))

    async def _attempt(self, step: Step) -> tuple[Outcome, Exception | None]:
        handler = self._handlers[type(step.action)]
        context = self._step_context(step)
        try:
            async with asyncio.timeout_at(context.deadline):
                try:
                    return await handler.run(context), None
                except ConnectionLost as lost:
                    return await self._after_loss(step, handler, context, lost)
        except TimeoutError:
            return Outcome.FAILED, _too_long(step)
        except ConnectionLost as error:
            return Outcome.INDETERMINATE, error
        except KanaeError as error:
            return Outcome.FAILED, error
        except Exception as error:
            _log.debug("step %s", step.id, exc_info=True)
            return Outcome.FAILED, error

    async def _after_loss(
        self, step: Step, handler: Handler, context: StepContext, lost: ConnectionLost
    ) -> tuple[Outcome, Exception | None]:
        """Once more where that is harmless or known to be needed, else find out what happened."""
        repeatable = type(step.action).repeatable
        if not repeatable and handler.done is None:
            raise lost
        context.progress(f"connection to {lost.host} lost, connecting again")
        try:
            grace = 0.0 if repeatable else min(SETTLE, context.left())
            await self._context.hosts.recover(lost.host, grace=grace)
            done = False if handler.done is None else await handler.done(context)
        except ConnectError as error:
            raise ConnectionLost(
                lost.host,
                f"{lost.message.removeprefix(f'{lost.host}: ')}; then: "
                f"{error.message.removeprefix(f'{lost.host}: ')}",
                remedy=lost.remedy,
            ) from error
        if done is None:
            raise lost
        return (Outcome.CHANGED if done else await handler.run(context)), None

    def _step_context(self, step: Step) -> StepContext:
        def progress(message: str, fraction: float | None = None) -> None:
            self._say(StepProgress(time.time(), step.id, step.host, message, fraction))

        return StepContext(
            step,
            self._context.hosts,
            self._context.values,
            asyncio.get_running_loop().time() + step.timeout,
            progress,
        )

    def _end(self, step: Step, result: StepResult) -> None:
        self._results[step.id] = result
        text = explain(result.error)
        if result.because:
            text = f"needs {result.because}, which did not succeed"
        self._say(
            StepEnded(
                time.time(), step.id, step.host, result.outcome, round(result.seconds, 3), text
            )
        )
        for other in self._wanted_by[step.id]:
            if result.outcome in GOOD:
                self._missing[other].discard(step.id)
                self._begin_if_ready(other)
            elif other not in self._results and result.outcome is not Outcome.SKIPPED:
                self._skip_from(other, step.id)

    def _skip_from(self, id_: str, because: str) -> None:
        """This step and all that need it. Not recursive: a chain may be thousands of steps."""
        todo = [id_]
        while todo:
            here = todo.pop()
            if here not in self._results:
                self._end(self._steps[here], StepResult(Outcome.SKIPPED, because=because))
                todo += self._wanted_by[here]

    def _say(self, event: Event) -> None:
        clean = masked(event, self._context.values.redactor)
        self._journal.record(clean)
        if self._emit is not None:
            self._emit(clean)


def _too_long(step: Step) -> KanaeError:
    text = f"step {step.id} did not end within {step.timeout:g} s and was ended"
    if step.host is None:
        return KanaeError(text)
    return StepTimedOut(step.host, text, remedy="see what holds it up on the host, then run again")
