"""What a run leaves: a folder of its own, with its history and verdict."""

from __future__ import annotations

import shutil
from pathlib import Path

from kanae.drills.judging import history
from kanae.drills.judging.checker import check
from kanae.drills.judging.verdict import Result, Verdict, to_json
from kanae.paths import cluster_dir

HISTORY = "history.jsonl"  # while the run goes on; compressed at its end
VERDICT = "verdict.json"
BACKUPS = "backup"  # of a cluster whose data the run destroys


def drills_dir(cluster: str) -> Path:
    """Where the folders of a cluster's runs are, called `RUN-DRILL`."""
    return cluster_dir(cluster) / "drills"


def backup_in(folder: Path) -> Path | None:
    """The backup that a run has made, if it has made one."""
    return max((folder / BACKUPS).glob("*.tar*"), default=None)


def conclude(folder: Path) -> Verdict:
    """Compress a finished run's history, check it, and keep the verdict beside it. A backup that it
    has made holds every key of the cluster, and goes when it is certainly not needed any more.
    """
    plain = folder / HISTORY
    path = history.compress(plain) if plain.exists() else plain.with_name(f"{plain.name}.gz")
    verdict = check(history.read(path))
    (folder / VERDICT).write_text(to_json(verdict))
    if verdict.result is Result.PASSED:
        shutil.rmtree(folder / BACKUPS, ignore_errors=True)
    return verdict
