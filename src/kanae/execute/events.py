"""What happens while a plan runs, as values: the journal, the live view and tests read these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a step ended. INDETERMINATE: the connection broke, the effect is not known."""

    OK = "ok"
    CHANGED = "changed"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class RunStarted:
    """at: Unix time in seconds, as in every event. steps: how many the plan has. purpose: what it
    is a part of, "" for what stands by itself.
    """

    at: float
    run: str
    cluster: str
    steps: int
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class StepStarted:
    """The intent: written to the journal before anything is done."""

    at: float
    step: str
    host: str | None
    title: str


@dataclass(frozen=True, slots=True)
class StepProgress:
    """What a long step is doing now. fraction: 0 to 1, or None."""

    at: float
    step: str
    host: str | None
    message: str
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class StepEnded:
    """seconds: how long it took. error: text and remedy, "" unless failed or indeterminate."""

    at: float
    step: str
    host: str | None
    outcome: Outcome
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class RunStopping:
    """Ctrl-C: no further step is begun. steps: ids of those that are being waited for."""

    at: float
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunEnded:
    at: float
    run: str
    counts: dict[str, int]


Event = RunStarted | StepStarted | StepProgress | StepEnded | RunStopping | RunEnded
