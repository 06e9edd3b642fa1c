"""The journal: an append-only record of what a run meant to do and how it went.

One JSON object a line, of the events of `kanae.execute.events`; each line is on disk before the
action that it announces begins, so that after a crash the journal never knows less than the hosts.
Secrets are masked before a line is formed.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from kanae import paths
from kanae.execute.events import (
    Event,
    RunEnded,
    RunStarted,
    RunStopping,
    StepEnded,
    StepProgress,
    StepStarted,
)
from kanae.execute.redact import Redactor, masked

_NAMES: dict[type[Event], str] = {
    RunStarted: "run-started",
    StepStarted: "step-started",
    StepEnded: "step-ended",
    RunStopping: "run-stopping",
    RunEnded: "run-ended",
}
_RUN_ID = re.compile(r"[A-Za-z0-9-]+")


def journal_dir(cluster: str) -> Path:
    return paths.cluster_dir(cluster) / "journal"


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
        _sync_folder(folder)

    def record(self, event: Event) -> None:
        """Returns when the record is on disk. Progress is not recorded: it would cost a flush."""
        if isinstance(event, StepProgress):
            return
        body = {"event": _NAMES[type(event)], **asdict(masked(event, self.redactor))}
        line = json.dumps(body, ensure_ascii=False) + "\n"
        os.write(self._file, line.encode())
        os.fdatasync(self._file)

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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
