"""What clients of the endpoint feel while a living cluster moves to another version of Kubernetes.

    bench/upgrade.py                                  # reference.yaml, 1.36.3 to 1.37.2, once
    bench/upgrade.py vip --times 10 --keep

In a lab of its own while probers ask the API through the endpoint, as in `kanae drill run
--no-direct --inside none`. Every round resets the hosts, builds the cluster with the old version
(artifacts stay on the hosts) and moves it by the commands that an operator types. Rounds are kept
in FOLDER (--results) as they come, with their histories; it may be interrupted and called again.
Needs root, and the artifacts of both versions (`kanae artifacts fetch --kubernetes VERSION`).
"""

from __future__ import annotations

import argparse
import asyncio
import re
from pathlib import Path

from kanae import paths
from kanae.drills.running.changing import Changes
from kanae.operations.project import Project
from probed import probed
from rounds import Round, Rounds, missing, report, said
from setting import Setting, command, setting


def versioned(here: Setting, version: str) -> Path:
    """The spec with another version, as a file."""
    path = here.folder / f"{version}.yaml"
    text = re.sub(r"(?m)^kubernetes: .*$", f"kubernetes: {version}", here.spec.read_text())
    path.write_text(text)
    return path


async def moved(place: Path, kind: str, old: Path, new: Path) -> Round:
    """Under probers, from the version that the cluster has."""
    words = ("apply", str(new), "--yes")

    async def change(changes: Changes, _: str) -> None:
        await changes.during("upgrade", lambda: asyncio.to_thread(command, *words), " ".join(words))

    project = Project.open(old)
    first = next(iter(project.spec.hosts))
    return await probed(project, place, kind, lambda _: first, change)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("example", nargs="?", default="reference", help="of examples/")
    parser.add_argument("--from", dest="old", default="v1.36.3", metavar="VERSION")
    parser.add_argument("--to", dest="new", default="v1.37.2", metavar="VERSION")
    parser.add_argument("--times", type=int, default=1, help="rounds (default 1)")
    parser.add_argument("--subnet", default="10.79.8", help="of the lab (default 10.79.8)")
    parser.add_argument("--keep", action="store_true", help="leave the lab up")
    default = paths.state_dir() / "bench-upgrade"
    parser.add_argument("--results", type=Path, default=default, metavar="FOLDER")
    given = parser.parse_args()
    given.results.mkdir(parents=True, exist_ok=True, mode=0o700)
    kind, rounds = f"{given.example}-upgrade", Rounds(given.results / "rounds.jsonl")
    name = f"b-{given.example}"[:20].rstrip("-")
    with setting(given.example, name, given.subnet, keep=given.keep, forget=not given.keep) as here:
        old, new = versioned(here, given.old), versioned(here, given.new)
        try:
            here.lab("up")
            while missing(rounds.of(kind), given.times):
                here.kanae("reset", "--yes", "--keep-artifacts", spec=new)
                here.kanae("apply", "--yes", spec=old)
                done = asyncio.run(moved(given.results, kind, old, new))
                rounds.keep(done)
                print(said(done), flush=True)
        except KeyboardInterrupt:
            print("interrupted; the same command goes on from here")
        finally:
            print(report(rounds.all()))


if __name__ == "__main__":
    main()
