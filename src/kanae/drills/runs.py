"""The runs of a cluster so far, from their folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kanae.drills import history, record
from kanae.drills.checker import check
from kanae.drills.records import Header
from kanae.drills.verdict import Verdict
from kanae.errors import UsageError


@dataclass(frozen=True, slots=True)
class PastRun:
    """history: its file. verdict: judged anew by the limits that it was run with."""

    header: Header
    history: Path
    verdict: Verdict

    @property
    def drill(self) -> str:
        return self.header.drill


def of(cluster: str) -> list[PastRun]:
    """All that can be read, oldest first; also runs that were cut short."""
    found: list[PastRun] = []
    for folder in sorted(record.drills_dir(cluster).glob("*/")):
        for name in (f"{record.HISTORY}.gz", record.HISTORY):
            path = folder / name
            if not path.exists():
                continue
            try:
                past = history.read(path)
            except UsageError:
                continue  # not even a header was written
            found.append(PastRun(past.header, path, check(past)))
            break
    return found
