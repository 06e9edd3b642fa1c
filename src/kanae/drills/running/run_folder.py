"""What a run leaves: a folder of its own, with its history and verdict."""

from __future__ import annotations

from pathlib import Path

from kanae.drills.judging import history
from kanae.drills.judging.checker import check
from kanae.drills.judging.verdict import Verdict, to_json
from kanae.paths import cluster_dir

HISTORY = "history.jsonl"  # while the run goes on; compressed at its end
VERDICT = "verdict.json"


def drills_dir(cluster: str) -> Path:
    """Where the folders of a cluster's runs are, called `RUN-DRILL`."""
    return cluster_dir(cluster) / "drills"


def conclude(folder: Path) -> Verdict:
    """Compress a finished run's history, check it, and keep the verdict beside it."""
    plain = folder / HISTORY
    path = history.compress(plain) if plain.exists() else plain.with_name(f"{plain.name}.gz")
    verdict = check(history.read(path))
    (folder / VERDICT).write_text(to_json(verdict))
    return verdict
