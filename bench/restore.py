"""What a backup and a restore take of a large etcd, and what users feel of a backup meanwhile.

    bench/restore.py cluster.yaml --size 100M --size 1G --results restore.jsonl
    bench/restore.py --size 100M --times 3 --keep

On a living cluster that is there for such things (its etcd is wiped), or in a lab of its own
(examples/reference.yaml). etcd gets values of 900 kB until it has SIZE of them, written by etcdctl
on its hosts beside Kubernetes' own keys, so that no API server has to hold them; --times each:

    backup    `kanae backup create`, while probers write through the endpoint; their p99 meanwhile
              against that of 30 quiet seconds before
    test      `kanae backup test` of that file
    restore   every member's data is wiped at once, as by the drill etcd-loss, and `kanae restore`
              brings it back: seconds until the API answers a read, and until the command ends

Rows are kept in FILE (--results) as they come; called again with it, only what is missing is run.
Sizes are made in ascending order, and what was made is deleted at the end. A restore leaves the
data of before beside the new; it is discarded each time. Needs about ten times SIZE on disk where
the hosts are a lab's. 100 MB takes about 4 minutes, 4 GB an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from figures import Figure, table
from kanae import paths
from kanae.drills.cluster.kube import Kube, routes
from kanae.drills.faults import loss
from kanae.drills.judging import history
from kanae.drills.judging.figures import percentile
from kanae.drills.probing.client import RequestFailed
from kanae.drills.records import ENDPOINT, History
from kanae.drills.running import run_folder
from kanae.drills.running.changing import Changes
from kanae.execute.scripts.programs import ETCDCTL_PATIENT
from kanae.layout import ports
from kanae.operations.project import Project
from kanae.transport.fleet import Fleet
from kanae.transport.protocol import must
from probed import probed, whole
from setting import setting

NAME = "bench-restore"
VALUE = 900_000  # bytes; etcd takes requests of 1.5 MiB at most
PREFIX = "kanae-bench/"
QUIET, BACKUP = "quiet", "backup"
QUIET_SECONDS = 30.0
LONG = 7200.0
ETCDCTL = (
    f"{ETCDCTL_PATIENT} --command-timeout=60s --endpoints https://127.0.0.1:{ports.ETCD_CLIENT}"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity of one size (bytes). value: seconds, or a ratio."""

    size: int
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Rows:
    """In a file, one a line, so that what there is survives an interruption."""

    file: Path

    def all(self) -> list[Row]:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [Row(**json.loads(line)) for line in lines]

    def keep(self, size: int, **values: float) -> None:
        with self.file.open("a") as file:
            for name, value in values.items():
                file.write(json.dumps(asdict(Row(size, name, value))) + "\n")
                print(f"{shown(size)} {name}: {value:.2f}", flush=True)

    def lack(self, size: int, name: str, times: int) -> int:
        return times - sum((row.size, row.name) == (size, name) for row in self.all())


def bytes_of(text: str) -> int:
    """100M, 1G."""
    found = re.fullmatch(r"(\d+)([MG])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text}: expected a size such as 100M or 4G")
    return int(found[1]) * (10**9 if found[2] == "G" else 10**6)


def shown(size: int) -> str:
    return f"{size // 10**9} GB" if size % 10**9 == 0 else f"{size // 10**6} MB"


# The database


def grown(count: int) -> str:
    """Put values until there are so many. They differ from each other in nothing but their keys."""
    return f"""set -eu
file=$(mktemp); trap 'rm -f "$file"' EXIT
head -c {VALUE * 3 // 4} /dev/urandom | base64 -w 0 >"$file"
have=$({ETCDCTL} get {PREFIX} --prefix --count-only -w fields | sed -n 's/^"Count" : //p')
[ "$have" -lt {count} ] || exit 0
seq "$((have + 1))" {count} |
xargs -P 4 -I @ sh -c '{ETCDCTL} put {PREFIX}@ <"$0" >/dev/null' "$file"
"""


def shrunk() -> str:
    """Nothing of it stays, on the disk neither."""
    return f"""set -eu
{ETCDCTL} del {PREFIX} --prefix >/dev/null
revision=$({ETCDCTL} endpoint status -w json | sed -n 's/.*"revision":\\([0-9]*\\).*/\\1/p')
{ETCDCTL} compact "$revision" >/dev/null || :
{ETCDCTL} --command-timeout=600s defrag --cluster >/dev/null
"""


async def on_etcd(project: Project, script: str, what: str) -> None:
    first = project.spec.etcd_hosts[0]
    async with Fleet(project.spec, [first]) as fleet:
        await must(fleet[first], script, command=what, timeout=LONG)


# What kanae takes


@dataclass(frozen=True, slots=True)
class Told:
    """What a command has said on standard output, and the wall seconds that it took."""

    seconds: float
    result: Any


def told(*words: str) -> Told:
    """`kanae WORDS -o json`; the end of the bench when it fails."""
    argv = [sys.executable, "-m", "kanae", *words, "-o", "json"]
    begin = time.perf_counter()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode != 0:
        sys.stderr.buffer.write(done.stderr)
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}")
    return Told(seconds, json.loads(done.stdout) if done.stdout.strip() else None)


def writes_p99(run: History, name: str) -> float:
    """Seconds, of successful writes through the endpoint that were due in changes of that name."""
    streams = {s.id for s in run.header.streams if s.route == ENDPOINT and s.kind == "write"}
    spans = [(change.begin, change.at) for change in run.changes if change.name == name]
    found = sorted(
        request.latency
        for request in run.requests
        if request.ok
        and request.stream in streams
        and any(begin <= request.at < end for begin, end in spans)
    )
    return percentile(found, 0.99)


async def backups(
    project: Project, folder: Path, target: Path, times: int
) -> tuple[History, list[float]]:
    """So many under load, after a quiet time. The history, and the seconds of each command."""
    took: list[float] = []

    async def change(changes: Changes, _: str) -> None:
        await changes.during(QUIET, lambda: asyncio.sleep(QUIET_SECONDS))
        for _number in range(times):
            words = ("backup", "create", str(project.file), "--to", str(target))
            done = await changes.during(BACKUP, lambda w=words: asyncio.to_thread(told, *w))
            took.append(done.seconds)

    first = project.spec.etcd_hosts[0]
    done = await probed(project, folder, BACKUP, lambda _: first, change)
    for doubt in done.doubts:
        print(f"void: {doubt}", flush=True)
    return history.read(newest(folder, f"*-{BACKUP}/{run_folder.HISTORY}.gz")), took


def newest(folder: Path, pattern: str) -> Path:
    """By name, which begins with a time."""
    return max(folder.glob(pattern))


async def restored(project: Project, file: Path) -> tuple[float, float]:
    """Seconds from the beginning of the command until the API answers, and until it has ended."""
    spec = project.spec
    _, admin = await whole(project)
    kube = Kube.of(routes(spec), admin)
    async with Fleet(spec, spec.etcd_hosts) as fleet:
        script = loss.wiped(spec)
        wiped = (
            must(fleet[host], script, command="wipe", timeout=120.0) for host in spec.etcd_hosts
        )
        await asyncio.gather(*wiped)
    words = ("restore", str(project.file), "--from", str(file), "--confirm", spec.name)
    begin = time.perf_counter()
    restoring = asyncio.create_task(asyncio.to_thread(told, *words))
    answers = await answering(kube, begin, restoring.done)
    done = await restoring
    await whole(project)
    told("restore", str(project.file), "--discard", "--confirm", spec.name)
    return answers, done.seconds


async def answering(kube: Kube, begin: float, over: Callable[[], bool]) -> float:
    """Seconds since `begin` when a read that takes etcd's quorum is answered."""
    while True:
        with contextlib.suppress(RequestFailed):
            await kube.get("/api/v1/namespaces/kube-system", timeout=2.0)
            return time.perf_counter() - begin
        if over():
            raise SystemExit("the restore has ended, and the API does not answer")
        await asyncio.sleep(0.1)


async def measure(project: Project, size: int, rows: Rows, times: int, folder: Path) -> None:
    target = folder / f"backups-{size}"
    await whole(project)
    await on_etcd(project, grown(-(-size // VALUE)), "etcdctl put")
    if (lacking := rows.lack(size, "backup", times)) > 0:
        run, took = await backups(project, folder, target, lacking)
        for seconds in took:
            rows.keep(size, backup=seconds)
        quiet, beside = writes_p99(run, QUIET), writes_p99(run, BACKUP)
        rows.keep(size, p99_quiet=quiet, p99_beside=beside, p99_ratio=beside / quiet)
    if not target.is_dir():
        told("backup", "create", str(project.file), "--to", str(target))
    file = newest(target, "*.tar*")
    for _ in range(rows.lack(size, "test", times)):
        done = told("backup", "test", str(project.file), "--file", str(file))
        rows.keep(size, test=done.seconds, rto=done.result["rto_seconds"])
    for _ in range(rows.lack(size, "restore", times)):
        answers, seconds = await restored(project, file)
        rows.keep(size, api_answers=answers, restore=seconds)


# What it comes to

# Of a database of 100 MB, in a lab with three members.
TARGETS = {"backup": 10.0, "p99_ratio": 1.5, "test": 30.0, "api_answers": 45.0, "restore": 90.0}


def report(rows: Sequence[Row]) -> str:
    found: dict[tuple[int, str], Figure] = {}
    for row in sorted(rows, key=lambda row: row.size):
        unit = "x" if row.name.endswith("ratio") else "s"
        target = TARGETS.get(row.name) if row.size == 10**8 else None
        name = f"{shown(row.size)} {row.name}"
        figure = found.setdefault((row.size, row.name), Figure(name, unit, target))
        figure.add(row.value)
    return table(list(found.values()))


@contextlib.contextmanager
def living(spec: Path | None, subnet: str, *, keep: bool) -> Generator[Path, None, None]:
    """The spec of a cluster that is up: the given one, or that of a lab of the bench's own."""
    if spec is not None:
        yield spec
        return
    with setting("reference", NAME, subnet, keep=keep, forget=not keep) as here:
        here.lab("up")
        here.kanae("apply", "--yes")
        yield here.spec


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spec", nargs="?", type=Path, help="of a living cluster (default: a lab)")
    parser.add_argument("--size", action="append", type=bytes_of, help="100M (default), 1G, 4G")
    parser.add_argument("--times", type=int, default=3, help="of each (default 3)")
    parser.add_argument("--subnet", default="10.79.7", help="of the lab (default 10.79.7)")
    parser.add_argument("--keep", action="store_true", help="leave the lab up, and the data")
    default = paths.state_dir() / f"{NAME}.jsonl"
    parser.add_argument("--results", type=Path, default=default, metavar="FILE")
    arguments = parser.parse_args()
    arguments.results.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    rows = Rows(arguments.results)
    given: Path | None = arguments.spec
    keep: bool = arguments.keep
    sizes: list[int] = sorted(arguments.size or [bytes_of("100M")])
    with (
        living(given, arguments.subnet, keep=keep) as spec,
        tempfile.TemporaryDirectory(prefix="kanae-bench-", dir=paths.cache_dir()) as name,
    ):
        project = Project.open(spec)
        if not project.spec.policies.destructive_drills and given is not None:
            raise SystemExit(
                f"{spec} does not say policies.destructiveDrills: etcd's data would be wiped"
            )
        try:
            for size in sizes:
                asyncio.run(measure(project, size, rows, arguments.times, Path(name)))
            if not keep:
                asyncio.run(on_etcd(project, shrunk(), "etcdctl del"))
        except KeyboardInterrupt:
            print("interrupted; the same command goes on from here")
        finally:
            print(report(rows.all()))


if __name__ == "__main__":
    main()
