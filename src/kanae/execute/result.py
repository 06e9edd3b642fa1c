"""How a run went, step by step, and the error that tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kanae.errors import HostError, KanaeError, RunFailed, StepFailed
from kanae.execute.events import Outcome
from kanae.execute.redact import Redactor
from kanae.plan.model import Plan

# What a shell says of a program that Ctrl-C ended: 128 and SIGINT's number.
INTERRUPTED = 130
GOOD = frozenset({Outcome.OK, Outcome.CHANGED})


@dataclass(frozen=True, slots=True)
class StepResult:
    """because: of a skipped step, the id of the step that failed ("" when the run was stopped).

    error: of a failed or indeterminate one; no KanaeError means a defect in this tool.
    """

    outcome: Outcome
    seconds: float = 0.0
    error: Exception | None = None
    because: str = ""


@dataclass(frozen=True, slots=True)
class RunResult:
    """steps: by id, in the order of the plan. interrupted: stopped by Ctrl-C or a signal.

    log: the file with the run's journal, None where there is none.
    """

    plan: Plan
    run: str
    steps: Mapping[str, StepResult]
    interrupted: bool = False
    log: Path | None = None

    @property
    def ok(self) -> bool:
        return not self.interrupted and all(step.outcome in GOOD for step in self.steps.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many steps ended in which way."""
        return dict(Counter(step.outcome.value for step in self.steps.values()))

    def raise_failed(self, redactor: Redactor) -> None:
        """Raise RunFailed when anything failed, naming each step, its host, command, status, the
        end of its standard error, the remedy, and what was skipped for it."""
        if not self.ok:
            raise self.failure(redactor)

    def failure(self, redactor: Redactor) -> RunFailed:
        wrong = [(id_, step) for id_, step in self.steps.items() if step.error is not None]
        skipped = [step for step in self.steps.values() if step.outcome is Outcome.SKIPPED]
        head = f"{len(wrong)} of {len(self.steps)} steps failed"
        if self.interrupted:
            head = f"interrupted; {head}"
        if skipped:
            head += f", {len(skipped)} were not begun"
        paragraphs = [head + ":" if wrong else head]
        alike: dict[tuple[str, Outcome, str], list[str]] = {}
        for id_, step in wrong:
            key = (self.plan.by_id()[id_].title, step.outcome, _cause(step.error))
            alike.setdefault(key, []).append(id_)
        paragraphs += [redactor(self._paragraph(ids)) for ids in alike.values()]
        if self.log is not None:
            paragraphs.append(f"log: {self.log}")
        failure = RunFailed(
            "\n".join(paragraphs),
            remedy=("put right what is named above and " if wrong else "")
            + "run the same command again: it resumes where this run ended",
        )
        failure.log = self.log
        if not wrong and self.interrupted:
            failure.exit_code = INTERRUPTED
        codes = {step.error.exit_code for _, step in wrong if isinstance(step.error, KanaeError)}
        if len(codes) == 1 and codes != {StepFailed.exit_code}:
            # All of one telling kind: a script can act on it.
            failure.exit_code = codes.pop()
        return failure

    def _paragraph(self, ids: Sequence[str]) -> str:
        """Of steps that do the same and failed for the same cause, on one host each."""
        first = self.steps[ids[0]]
        kind = "outcome not known" if first.outcome is Outcome.INDETERMINATE else "failed"
        lines = [f"- {', '.join(ids)} ({self.plan.by_id()[ids[0]].title}) {kind}"]
        text = explain(first.error)
        if isinstance(first.error, HostError) and len(ids) > 1:
            errors = (self.steps[id_].error for id_ in ids)
            hosts = ", ".join(error.host for error in errors if isinstance(error, HostError))
            text = str(KanaeError(f"{hosts}: {first.error.cause}", remedy=first.error.remedy))
        lines += [f"    {line}" for line in text.splitlines()]
        kept_back = [other for other, r in self.steps.items() if r.because in ids]
        if kept_back:
            more = f" and {len(kept_back) - 5} more" if len(kept_back) > 5 else ""
            lines.append(f"    not begun for it: {', '.join(kept_back[:5])}{more}")
        return "\n".join(lines)


def _cause(error: Exception | None) -> str:
    """What an error says without the name of its host."""
    if isinstance(error, HostError):
        return f"{error.cause}\n{error.remedy}"
    return explain(error)


def explain(error: Exception | None) -> str:
    """An error as a person should read it."""
    if error is None:
        return ""
    if isinstance(error, KanaeError):
        return str(error)
    return f"defect in kanae: {type(error).__name__}: {error}"
