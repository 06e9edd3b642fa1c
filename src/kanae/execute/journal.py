"""The journal: an append-only record of what a run meant to do and how it went.

One JSON object a line, of the events of `kanae.execute.events`; each line is on disk before the
action that it announces begins, so that after a crash the journal never knows less than the hosts.
Secrets are masked before a line is formed. A record that was not written whole (a full disk) ends
its run, which still says how its steps ended where there is room again, on lines of their own.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

from kanae import paths
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
from kanae.execute.redact import Redactor, masked

_KINDS: dict[str, type[Event]] = {
    "run-started": RunStarted,
    "step-started": StepStarted,
    "step-progress": StepProgress,
    "step-ended": StepEnded,
    "run-stopping": RunStopping,
    "run-ended": RunEnded,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
# Seconds: the end of the year 9999, after which there are no dates.
_LATEST = 253402300799
_RUN_ID = re.compile(r"[A-Za-z0-9-]+")


def journal_dir(cluster: str) -> Path:
    return paths.cluster_dir(cluster) / "journal"


# As `new_run_id` makes them.
RUN_ID: Final = re.compile(r"\d{8}T\d{6}-[0-9a-f]+")


def new_run_id() -> str:
    """Sorts by time: UTC date and time, and enough of chance for two in one second."""
    now = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    return f"{now}-{os.urandom(3).hex()}"


class Journal:
    """Writes one run's file, mode 0600, `<state>/clusters/<cluster>/journal/<run id>.jsonl`."""

    def __init__(self, cluster: str, run: str, redactor: Redactor | None = None) -> None:
        if not _RUN_ID.fullmatch(run):
            raise ValueError(f"{run!r} is no run id")
        self.run = run
        self.cluster = cluster
        self.redactor = redactor or Redactor()
        folder = journal_dir(cluster)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / f"{run}.jsonl"
        self._file = os.open(
            self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        # Whether the file ends in the midst of a record.
        self._torn = False
        _sync_folder(folder)

    def record(self, event: Event) -> None:
        """Returns when the record is on disk. Progress is not recorded: it would cost a flush."""
        if isinstance(event, StepProgress):
            return
        body = {"event": _NAMES[type(event)], **asdict(masked(event, self.redactor))}
        # ASCII: a host's text may hold what UTF-8 cannot write (lone surrogates).
        line = json.dumps(body).encode() + b"\n"
        self._write(b"\n" + line if self._torn else line)
        os.fdatasync(self._file)

    def _write(self, line: bytes) -> None:
        """Raises OSError unless all of it was written."""
        left = line
        while left:
            try:
                left = left[os.write(self._file, left) :]
            except OSError:
                self._torn = self._torn or len(left) < len(line)
                raise
        self._torn = False

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a journal says of one run. ended: None when the run was killed or is going on."""

    path: Path
    started: RunStarted
    intents: dict[str, StepStarted]
    outcomes: dict[str, StepEnded]
    ended: RunEnded | None

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Steps that were begun and of which no outcome is known."""
        return tuple(
            step
            for step in self.intents
            if step not in self.outcomes or self.outcomes[step].outcome is Outcome.INDETERMINATE
        )


def read(path: Path) -> Iterator[Event]:
    """Events of a journal. What is no record of this version is left out: a torn line (the disk
    was full, the machine crashed while writing), another version's."""
    lines = path.read_bytes().split(b"\n")
    # Whatever follows the last line end was not written whole.
    for line in lines[:-1]:
        event = _event(line)
        if event is not None:
            yield event


def read_run(path: Path) -> RunRecord | None:
    """None when not even the first record is there."""
    record: RunRecord | None = None
    for event in read(path):
        if isinstance(event, RunStarted):
            record = RunRecord(path, event, {}, {}, None)
        elif record is None:
            continue
        elif isinstance(event, StepStarted):
            record.intents[event.step] = event
        elif isinstance(event, StepEnded):
            record.outcomes[event.step] = event
        elif isinstance(event, RunEnded):
            record = replace(record, ended=event)
    return record


def runs(cluster: str) -> list[Path]:
    """Journals of a cluster, oldest first."""
    return sorted(journal_dir(cluster).glob("*.jsonl"))


def _event(line: bytes) -> Event | None:
    try:
        body: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    fields = cast("dict[str, Any]", body)
    kind = _KINDS.get(str(fields.pop("event", "")))
    if kind is None:
        return None
    try:
        if not all(_fits(kind, name, value) for name, value in fields.items()):
            return None
        if "outcome" in fields:
            fields["outcome"] = Outcome(fields["outcome"])
        if kind is RunStopping:
            fields["steps"] = tuple(fields.get("steps", ()))
        return kind(**fields)
    except (TypeError, ValueError):
        # Written by another version of this tool.
        return None


def _fits(kind: type[Event], name: str, value: object) -> bool:
    """Whether a field is of the type that an event of this kind has there."""
    if name in {"at", "seconds", "fraction"}:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value is None and name == "fraction"
        return 0 <= value <= _LATEST
    if name == "steps":
        return type(value) is (list if kind is RunStopping else int)
    if name == "counts":
        return isinstance(value, dict)
    return isinstance(value, str) or (value is None and name == "host")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
