"""Drills many times over: the figures of docs/availability.md, with their spread.

Runs `kanae drill run` on the living cluster of --spec, or with --up on an example in a lab of its
own, until every drill named has so many runs that are not void. Their histories are what is
counted, so it can be interrupted and called again: only what is missing is run. Histories of
another spec, or before --since, do not count. A failed run counts; a drill is given up when too
many of its runs are void, the whole when the cluster does not become whole again. All are judged
by the thresholds that come with kanae now, whatever theirs were when they were made.

    bench/drills.py --up reference power-cut return:10 -o markdown
    bench/drills.py --spec cluster.yaml --options="--steady 5 --after 5" kill-etcd-leader
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import math
import shlex
import subprocess
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from figures import Figure, markdown, table
from kanae.drills.judging import history, thresholds
from kanae.drills.judging.checker import check
from kanae.drills.judging.metrics import COUNTS
from kanae.drills.judging.series import SERIES_RESULT, SeriesResult, groups, series
from kanae.drills.judging.verdict import Result, Verdict
from kanae.drills.records import History
from kanae.drills.running import past_runs
from kanae.drills.scenarios.catalogue import find
from kanae.errors import DrillFailed, UsageError
from kanae.report.drill_text import counts_text
from kanae.spec.load import load
from kanae.spec.models import Spec
from setting import setting

# Shown for every drill, also where it has no limit of them.
ALWAYS = (
    "new.any.gap",
    "kept.any.gap",
    "any.any.gap-on-return",
    "any.any.longest-wait",
    "any.watch.longest-wait",
    "inside.new.any.failed",
    "inside.any.any.longest-wait",
    "dns.gap",
    "any.any.failed",
    "any.any.failed-seconds",
)


@dataclass(slots=True)
class Past:
    """Runs of one spec so far. Each history is judged once."""

    spec: Path
    since: str
    cluster: str
    _judged: dict[Path, Verdict | None] = field(default_factory=dict[Path, "Verdict | None"])

    def of(self, drill: str) -> list[Verdict]:
        """Oldest first."""
        digest = hashlib.sha256(self.spec.read_bytes()).hexdigest()
        for path in past_runs.files(self.cluster, drill):
            # A history without .gz may still be written, or is of a run that was killed.
            if path not in self._judged and path.suffix == ".gz":
                self._judged[path] = self._judge(path, drill, digest)
        return [
            verdict for _, verdict in sorted(self._judged.items())
            if verdict is not None and verdict.drill == drill
        ]  # fmt: skip

    def _judge(self, path: Path, drill: str, digest: str) -> Verdict | None:
        try:
            found = history.read(path)
        except UsageError:
            return None
        header = found.header
        if header.drill != drill or header.digest != digest or header.run < self.since:
            return None
        return judged(found, load(self.spec))


def judged(found: History, spec: Spec) -> Verdict:
    """By the thresholds that come with kanae today, so that a change of them needs no new runs."""
    data, header = thresholds.load(), found.header
    limits = thresholds.limits(data, header.drill, header.balancer)
    instead = thresholds.leader_limits(data, header.drill, header.balancer)
    if find(header.drill).takes_only_way(spec):
        limits, instead = thresholds.only_healing(limits), thresholds.only_healing(instead)
    always = dict.fromkeys(ALWAYS, math.inf)
    return check(found, always | dict(limits), thresholds.validity(data), instead)


@contextlib.contextmanager
def cluster(arguments: argparse.Namespace) -> Generator[Path, None, None]:
    if arguments.spec is not None:
        yield arguments.spec
        return
    name = f"drills-{arguments.up}"[:20].rstrip("-")
    with setting(arguments.up, name, arguments.subnet, keep=arguments.keep, forget=False) as here:
        if not here.ssh_config.exists():
            here.lab("up")
        here.kanae("apply", "--yes")
        yield here.spec


def missing(verdicts: Sequence[Verdict], wanted: int) -> int:
    """How many runs to make next; 0 when there are enough, or too many of them are void."""
    void = sum(verdict.result is Result.VOID for verdict in verdicts)
    return 0 if void > wanted // 2 + 1 else max(0, wanted - (len(verdicts) - void))


def run(argv: Sequence[str]) -> int:
    """Exit status. After Ctrl-C, which kanae gets too, it is left time to put everything back."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise


def make(past: Past, drill: str, wanted: int, options: Sequence[str]) -> str:
    """The runs that are missing; why there are not all of them, or ""."""
    while count := missing(before := past.of(drill), wanted):
        argv = [sys.executable, "-m", "kanae", "drill", "run", drill, str(past.spec), "--yes"]
        argv += ["--repeat", str(count), *options]
        status = run(argv)
        if status not in (0, DrillFailed.exit_code):
            return f"kanae drill run {drill} ended with {status}"
        after = past.of(drill)
        if len(after) - len(before) < count:
            return f"{drill}: {len(after) - len(before)} of {count} runs were made"
    return ""


def figures(verdicts: Sequence[Verdict]) -> list[Figure]:
    """A figure for each metric; one that a run never reached is infinite."""
    found: dict[str, Figure] = {}
    for verdict in verdicts:
        if verdict.result is Result.VOID:
            continue
        for each in verdict.judgements:
            limit = each.limit if math.isfinite(each.limit) else None
            unit = "" if each.metric.endswith(COUNTS) else "s"
            figure = found.setdefault(each.metric, Figure(each.metric, unit, limit, every=True))
            figure.add(math.inf if each.value is None else each.value)
    load = Figure("load average at most", "")
    load.values = [verdict.load for verdict in verdicts if verdict.load is not None]
    return [*found.values(), load]


def shown(verdicts: Sequence[Verdict], form: str) -> str:
    """One drill: how its runs ended, then its figures; failures with their reasons. Runs in which
    etcd's leader was lost stand apart.
    """
    return "\n".join(_shown(group, form) for group in groups(verdicts))


def _shown(verdicts: Sequence[Verdict], form: str) -> str:
    found = figures(verdicts)
    head = "\n".join(counts_text(each) for each in series(verdicts))
    if form == "markdown":
        return f"### {head}\n\n{markdown(found)}\n"
    bad = [
        f"  {verdict.run} {verdict.result}: {verdict.reasons[0]}"
        for verdict in verdicts
        if verdict.reasons
    ]
    return "\n".join([head, *bad, table(found), ""])


def finite(verdict: Verdict) -> Verdict:
    """Without the judgements of metrics that have no limit, for JSON."""
    limited = tuple(each for each in verdict.judgements if math.isfinite(each.limit))
    return replace(verdict, judgements=limited)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("drills", nargs="+", metavar="DRILL[:RUNS]")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--spec", type=Path, help="of a living cluster")
    where.add_argument("--up", metavar="EXAMPLE", help="of examples/, in a lab of its own")
    parser.add_argument("--runs", type=int, default=20, help="of each drill (default 20)")
    parser.add_argument("--options", default="", help="further options of `kanae drill run`")
    parser.add_argument("--since", default="", metavar="YYYYMMDD[-HHMMSS]", help="UTC")
    parser.add_argument("--subnet", default="10.79.5", help="of the lab (default 10.79.5)")
    parser.add_argument("--keep", action="store_true", help="leave the lab up")
    parser.add_argument("-o", "--output", choices=["text", "json", "markdown"], default="text")
    arguments = parser.parse_args()
    wanted = {name: int(count or arguments.runs)
              for name, _, count in (word.partition(":") for word in arguments.drills)}  # fmt: skip
    why = ""
    with cluster(arguments) as spec:
        past = Past(spec, arguments.since, load(spec).name)
        try:
            for drill, count in wanted.items():
                why = make(past, drill, count, shlex.split(arguments.options))
                if why:
                    break
        except KeyboardInterrupt:
            why = "interrupted; the same command resumes from here"
        found = [past.of(drill) for drill in wanted]
    if arguments.output == "json":
        every = tuple(finite(verdict) for verdicts in found for verdict in verdicts)
        print(SERIES_RESULT.dump_json(SeriesResult(every, series(every), why), indent=1).decode())
    else:
        print("\n".join(shown(verdicts, arguments.output) for verdicts in found if verdicts))
    if why:
        raise SystemExit(why)


if __name__ == "__main__":
    main()
