"""Rounds of changes to a living cluster: kept as they come, and what they come to in tables."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from figures import Figure, markdown, ratio
from kanae.drills.judging.changes import ChangedRun, ChangeFigures


@dataclass(frozen=True, slots=True)
class Round:
    """host: that was changed. led: whether etcd's leader was there. felt: None without probers.

    seconds: of the command for `worker`, of the whole round otherwise. restarted: `host: program`
    of processes on other hosts that were there before and are not any more.
    """

    kind: str
    host: str
    led: bool
    seconds: float
    felt: ChangedRun | None = None
    restarted: tuple[str, ...] = ()

    @property
    def doubts(self) -> tuple[str, ...]:
        return () if self.felt is None else self.felt.doubts


ROUND: TypeAdapter[Round] = TypeAdapter(Round)


@dataclass(frozen=True, slots=True)
class Rounds:
    """In a file, one a line, so that what there is survives an interruption."""

    file: Path

    def all(self) -> list[Round]:
        """Oldest first."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [ROUND.validate_json(line) for line in lines]

    def of(self, kind: str) -> list[Round]:
        return [each for each in self.all() if each.kind == kind]

    def keep(self, done: Round) -> None:
        with self.file.open("ab") as file:
            file.write(ROUND.dump_json(done) + b"\n")


def missing(rounds: Sequence[Round], times: int) -> int:
    """How many rounds of a kind are to be made; 0 also when too many of them prove nothing."""
    void = sum(bool(each.doubts) for each in rounds)
    return 0 if void > times // 2 + 1 else max(0, times - (len(rounds) - void))


def said(done: Round) -> str:
    """One round, in a line."""
    led = " (with etcd's leader)" if done.led else ""
    words = [f"{done.kind} {done.host}{led}: {done.seconds:.1f} s"]
    if done.felt is not None:
        words += [
            f"{each.name} {each.seconds:.1f} s, {each.failed} failed, gaps {each.new_gap:.2f} and"
            f" {each.kept_gap:.2f}{''.join(f', {n} {error}' for error, n in each.errors.items())}"
            for each in done.felt.changes
        ]
        words += [f"BROKEN: {what}" for what in done.felt.broken]
    words += [f"VOID: {doubt}" for doubt in done.doubts]
    words += [f"restarted: {each}" for each in done.restarted]
    return "; ".join(words)


HEAD = (
    "change", "runs", "new connections", "kept connections", "failed a run", "failed in all",
    "takes, seconds", "acknowledged writes lost",
)  # fmt: skip


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Median and maximum."""
    return f"{statistics.median(values):{form}}, {max(values):{form}}"


def row(name: str, found: Sequence[ChangeFigures], lost: str) -> str:
    cells = [
        name,
        str(len(found)),
        spread([each.new_gap for each in found]),
        spread([each.kept_gap for each in found]),
        spread([each.failed for each in found], "g"),
        str(sum(each.failed for each in found)),
        spread([each.seconds for each in found], ".1f"),
        lost,
    ]
    return f"| {' | '.join(cells)} |"


def felt_table(rounds: Sequence[Round]) -> str:
    """Gaps in seconds; median and maximum over the rounds that prove something. Lost writes, of all
    rounds of a kind, stand with its last change."""
    lines = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
    for kind in dict.fromkeys(each.kind for each in rounds):
        runs = [each.felt for each in rounds if each.kind == kind and each.felt is not None]
        counted = [run for run in runs if not run.doubts]
        names = dict.fromkeys(change.name for run in counted for change in run.changes)
        written = sum(run.acknowledged for run in runs)
        lost = f"{sum(len(run.lost) for run in runs)} of {written}"
        for name in names:
            found = [each for run in counted for each in run.changes if each.name == name]
            lines.append(row(f"{kind} {name}", found, lost if name == [*names][-1] else ""))
    return "\n".join(lines)


def beyond(rounds: Sequence[Round]) -> tuple[int, int]:
    """Of the replaced dead hosts: how many gaps were longer afterwards than that of the power cut
    itself, and of how many rounds."""
    longer, runs = 0, [r.felt for r in rounds if r.kind == "dead-master" and not r.doubts]
    for run in runs:
        if run is None:
            continue
        cut, *later = [max(each.new_gap, each.kept_gap) for each in run.changes]
        longer += max(later) > cut
    return longer, len(runs)


def timing(rounds: Sequence[Round]) -> list[Figure]:
    """Of replacing a dead host against its joining alone, and of a worker's joining."""
    whole_time, join = Figure("replace of a dead master"), Figure("its joining")
    worker = Figure("a worker joins five nodes", target=20)
    for each in rounds:
        if each.kind == "worker":
            worker.add(each.seconds)
        elif each.kind == "dead-master" and each.felt is not None and not each.doubts:
            took = {change.name: change.seconds for change in each.felt.changes}
            whole_time.add(took["leaves"] + took["joins"])
            join.add(took["joins"])
    found = [whole_time, join]
    if join.values:
        found.append(ratio(whole_time, join, target=1.5))
    return [*found, worker]


def report(rounds: Sequence[Round]) -> str:
    parts = [felt_table(rounds), markdown(timing(rounds))]
    void = Counter(each.kind for each in rounds if each.doubts)
    parts += [f"{kind}: {count} rounds are void" for kind, count in void.items()]
    parts += [f"{each.kind}, BROKEN: {what}" for each in rounds if each.felt is not None
              for what in each.felt.broken]  # fmt: skip
    longer, of = beyond(rounds)
    if of:
        parts.append(f"gaps beyond the power cut's own: in {longer} of {of} rounds")
    anew = [each for one in rounds for each in one.restarted]
    workers = sum(each.kind == "worker" for each in rounds)
    if workers:
        parts.append(f"restarted elsewhere when a worker joined ({workers} times): "
                     f"{', '.join(anew) or 'nothing'}")  # fmt: skip
    return "\n\n".join(parts)
