"""Runs of a cluster as their journals tell them, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from kanae.execute.events import Outcome, StepEnded
from kanae.execute.journal import RunRecord
from kanae.report.console import SIGNS

WRONG = (Outcome.FAILED, Outcome.INDETERMINATE)


def run_data(record: RunRecord) -> dict[str, object]:
    """JSON-able: `state` is done, failed or unfinished; times are ISO 8601 in UTC, seconds None
    while a run goes on or when it was killed; steps in the order in which they ended.
    """
    ended = list(record.outcomes.values())
    return {
        "run": record.started.run,
        "cluster": record.started.cluster,
        "log": str(record.path),
        "began": _time(record.started.at).isoformat(),
        "seconds": _seconds(record),
        "state": _state(record),
        "planned": record.started.steps,
        "counts": _counts(record),
        "changed": [step.step for step in ended if step.outcome is Outcome.CHANGED],
        "failed": [step.step for step in ended if step.outcome in WRONG],
        "unfinished": list(record.unfinished),
        "steps": [
            {
                "id": step.step,
                "host": step.host,
                "title": _title(record, step),
                "outcome": step.outcome.value,
                "seconds": step.seconds,
                "error": step.error,
            }
            for step in ended
        ],
    }


def runs_text(records: Sequence[RunRecord]) -> str:
    """A line for each run: its id, when it began, how long it took, how it ended."""
    lines = [
        f"{record.started.run}  {_time(record.started.at):%Y-%m-%d %H:%M:%S} UTC  "
        f"{_length(record):>8}  {_word(record, 10)}  {_said(record)}"
        for record in records
    ]
    return "\n".join(lines)


def run_text(record: RunRecord, *, verbose: bool = False) -> str:
    """Every step that did or broke something, with its time and error. verbose: all steps."""
    lines = [
        f"run {record.started.run} of {record.started.cluster}: {_word(record)}, {_said(record)}",
        f"began {_time(record.started.at):%Y-%m-%d %H:%M:%S} UTC, took {_length(record)}",
        f"log: {record.path}",
    ]
    for step in record.outcomes.values():
        if step.outcome in (Outcome.OK, Outcome.SKIPPED) and not verbose:
            continue
        word, colour = SIGNS[step.outcome]
        lines.append(
            f"{step.seconds:8.1f} s  {click.style(f'{word:<7}', fg=colour)}  "
            f"{step.host or 'cluster'}: {_title(record, step)}"
        )
        lines += [f"{'':12}{line}" for line in step.error.splitlines()]
    for id_ in record.unfinished:
        if id_ not in record.outcomes:
            intent = record.intents[id_]
            where = f"{intent.host or 'cluster'}: {intent.title}"
            lines.append(f"{'?':>8}    {'begun':<7}  {where}, its outcome is not known")
    return "\n".join(lines)


def _title(record: RunRecord, step: StepEnded) -> str:
    """Steps that were not begun have no title in a journal."""
    intent = record.intents.get(step.step)
    return intent.title if intent is not None else step.step


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _seconds(record: RunRecord) -> float | None:
    return None if record.ended is None else round(record.ended.at - record.started.at, 3)


def _length(record: RunRecord) -> str:
    seconds = _seconds(record)
    return "?" if seconds is None else f"{seconds:.1f} s"


def _counts(record: RunRecord) -> dict[str, int]:
    counts: dict[str, int] = {}
    for step in record.outcomes.values():
        counts[step.outcome.value] = counts.get(step.outcome.value, 0) + 1
    return counts


def _state(record: RunRecord) -> str:
    if record.ended is None:
        return "unfinished"
    good = all(step.outcome in (Outcome.OK, Outcome.CHANGED) for step in record.outcomes.values())
    return "done" if good else "failed"


def _word(record: RunRecord, width: int = 0) -> str:
    colours = {"done": "green", "failed": "red", "unfinished": "yellow"}
    state = _state(record)
    return click.style(f"{state:<{width}}", fg=colours[state])


def _said(record: RunRecord) -> str:
    counts = ", ".join(f"{count} {kind}" for kind, count in _counts(record).items())
    return f"{record.started.steps} steps: {counts or 'none ended'}"
