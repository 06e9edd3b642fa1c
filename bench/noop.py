"""Wall seconds of `kanae apply --yes` when there is nothing to do on the six reference hosts.

Builds the cluster in a lab of its own first (or uses the living cluster of --spec, which it never
changes: it measures only when `kanae plan` finds nothing to do). Interpreter start included.
--profile adds where the time goes, phase by phase, in fresh interpreters that do the same one step
after another: wall seconds, and in brackets this process's own processor seconds; the difference
is waiting for hosts, which in a lab share the machine's cores. Needs root unless --spec is given.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

from figures import Figure, table
from setting import setting, timed

T = TypeVar("T")


@contextlib.contextmanager
def cluster(spec: Path | None, subnet: str) -> Generator[Path, None, None]:
    if spec is not None:
        timed([sys.executable, "-m", "kanae", "plan", str(spec), "--exit-code"])
        yield spec
        return
    with setting("reference", "bench-noop", subnet) as here:
        here.lab("up")
        here.kanae("apply", "--yes")
        yield here.spec


class Phases:
    """Wall and processor seconds of phases that follow each other, the imports of each included."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[float, float]] = {}
        self._wall, self._own = time.perf_counter(), 0.0

    def end(self, phase: str) -> None:
        wall, own = time.perf_counter(), time.process_time()
        self.seconds[phase] = (wall - self._wall, own - self._own)
        self._wall, self._own = wall, own


def no_op(path: Path, phases: Phases) -> None:
    """What `kanae apply` does until it knows that there is nothing to do, with imports where it
    has them."""
    from kanae.cli import command

    phases.end("interpreter and command line")
    command.get_command(command.make_context("kanae", ["apply", str(path)]), "apply")
    phases.end("import of the verb")
    from kanae.operations.artifacts import cached
    from kanae.operations.project import Project
    from kanae.operations.survey import arches, survey

    project = Project.open(path)
    phases.end("read spec and catalogue")
    import asyncssh  # noqa: F401  # pyright: ignore[reportUnusedImport]  # its time is what counts

    from kanae.transport.fleet import Fleet

    phases.end("import of asyncssh")

    async def ask() -> bool:
        async with Fleet(project.spec) as fleet:
            phases.end("connect")
            facts = await survey(project, fleet)
            phases.end("facts")
            artifacts = cached(project, arches(facts))
            phases.end("look artifacts up")
            plan = project.plan(facts, artifacts)
            phases.end("plan")
        phases.end("close")
        return plan.empty

    if not asyncio.run(ask()):
        raise SystemExit(f"{path}: there is something to do")


def profile(spec: Path, runs: int) -> list[Figure]:
    figures: dict[str, Figure] = {}
    for _ in range(runs):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, __file__, "--phases", "--spec", str(spec)],
            check=True,
            capture_output=True,
            text=True,
        )
        whole = time.perf_counter() - began
        phases: dict[str, tuple[float, float]] = json.loads(done.stdout)
        inside = sum(wall for wall, _ in phases.values())
        phases["interpreter, and its end"] = (whole - inside, 0.0)
        for name, (wall, own) in phases.items():
            figures.setdefault(name, Figure(f"  {name}")).add(wall)
            figures.setdefault(f"{name}*", Figure("    of it processor time")).add(own)
    return list(figures.values())


def measured(action: Callable[[], float], figure: Figure, runs: int) -> Figure:
    for _ in range(runs):
        figure.add(action())
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    parser.add_argument("--spec", type=Path, help="of a living cluster, instead of a lab")
    parser.add_argument("--subnet", default="10.79.2", help="of the lab (default 10.79.2)")
    parser.add_argument("--phases", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.phases:
        phases = Phases()
        no_op(arguments.spec, phases)
        print(json.dumps(phases.seconds))
        return
    with cluster(arguments.spec, arguments.subnet) as spec:
        argv = [sys.executable, "-m", "kanae", "apply", "--yes", str(spec)]
        figure = Figure("kanae apply, nothing to do", target=2)
        figures = [measured(lambda: timed(argv), figure, arguments.runs)]
        if arguments.profile:
            figures += profile(spec, arguments.runs)
    print(table(figures))


if __name__ == "__main__":
    main()
