"""How long everything of one Kubernetes release takes to build with nothing in any build cache.

    python bench/artifacts_cold.py [--kubernetes v1.37.2] [--modules-too]

Uses a fresh GOCACHE and a fresh kanae cache in a temporary folder. Go's module cache (the
downloads) stays as it is unless --modules-too is given. Wall seconds of each module's build and of
everything, as JSON on standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from kanae.artifacts import catalogue, fetch
from kanae.artifacts.progress import Silent, Task
from kanae.artifacts.store import Store
from kanae.spec.models import ArtifactSource


class Clock:
    """A task that notes how long it took."""

    def __init__(self, label: str, seconds: dict[str, float]) -> None:
        self._label, self._seconds, self._begin = label, seconds, time.monotonic()

    def total(self, amount: int) -> None:
        pass

    def advance(self, amount: int) -> None:
        pass

    def __enter__(self) -> Clock:
        return self

    def __exit__(self, *_: object) -> None:
        self._seconds[self._label] = round(time.monotonic() - self._begin, 1)


class Stopwatch(Silent):
    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}

    def task(self, label: str, *, unit: str = "bytes") -> Task:
        return Clock(label, self.seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubernetes", default="v1.37.2")
    parser.add_argument("--modules-too", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kanae-cold-") as folder:
        os.environ["GOCACHE"] = f"{folder}/gocache"
        if arguments.modules_too:
            os.environ["GOMODCACHE"] = f"{folder}/modules"
        watch, begin = Stopwatch(), time.monotonic()
        found = fetch.obtain(
            [catalogue.load().release(arguments.kubernetes)], ["amd64"], ArtifactSource.BUILD,
            store=Store(Path(folder) / "store"), progress=watch,
        )  # fmt: skip
        whole = round(time.monotonic() - begin, 1)
        if arguments.modules_too:
            # Go writes its modules read-only, so that only go itself removes them easily.
            subprocess.run(["go", "clean", "-modcache"], check=True)
    print(
        json.dumps(
            {
                "kubernetes": arguments.kubernetes,
                "cores": os.cpu_count(),
                "modules downloaded": arguments.modules_too,
                "artifacts": len(found),
                "seconds": whole,
                "parts": watch.seconds,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
