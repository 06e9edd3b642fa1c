"""The runs of a cluster so far, from their folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kanae.drills.judging import history
from kanae.drills.judging.checker import check
from kanae.drills.judging.verdict import Verdict
from kanae.drills.records import History
from kanae.drills.running import recovery_record, run_folder
from kanae.errors import UsageError


def files(cluster: str, drill: str | None = None) -> list[Path]:
    """Histories of a cluster's runs that have ended, oldest first; also of those cut short."""
    going = in_progress(cluster)
    folders = run_folder.drills_dir(cluster).glob(f"*-{drill}/" if drill else "*/")
    found = (
        next((folder / name for name in _NAMES if (folder / name).exists()), None)
        for folder in sorted(folders)
        if folder not in going
    )
    return [path for path in found if path is not None]


_NAMES = (f"{run_folder.HISTORY}.gz", run_folder.HISTORY)


def in_progress(cluster: str) -> tuple[Path, ...]:
    """Folders of the runs that are being made: their histories so far would be judged as void."""
    unsettled = recovery_record.unsettled(cluster)
    return tuple(
        folder for folder in unsettled if recovery_record.running(recovery_record.read(folder))
    )


def judged(paths: list[Path]) -> Iterator[tuple[History, Verdict]]:
    """Each history with its verdict by its own limits; files that are none are left out."""
    for path in paths:
        try:
            past = history.read(path)
        except UsageError:
            continue  # the run ended before its header was written
        yield past, check(past)
