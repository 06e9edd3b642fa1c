"""What a checker says of a history. Values only, and their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import TypeAdapter

from kanae.drills.judging.figures import Gap, Latency
from kanae.drills.records import Change, Connection, Evidence, Restored, Stream


class Result(StrEnum):
    """VOID: the run proves nothing, whatever its figures."""

    PASSED = "passed"
    FAILED = "failed"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Window:
    """Requests due in one part of the run (before, during or after the fault). withheld: those
    that a serial stream did not send as it waited for answers.
    """

    name: str
    due: int
    sent: int
    withheld: int
    failed: int
    latency: Latency


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One stream. failed, failed_seconds: from the fault to the end of the workload. gap, wait:
    of what began before the undo of the fault (all of it when nothing is undone), gap_on_return:
    from then on, 0 when nothing is undone. Apart, because a host that boots costs the others
    processor time only where they share a machine, as in a lab.

    failed_on_return: those of the failed that were due after the undo of the fault had begun (a
    host that comes back must disturb nobody); all of them when nothing is undone.

    wait_before: the longest that a request of before the fault took, up to the fault.

    longest_wait: the longest that any single request took to its outcome, a failed one too, of
    those that had none when the fault struck or were due from then on, until the undo;
    longest_wait_on_return: of those due from then on.

    errors: kind of error -> how many. late: answers that came after their deadline.
    """

    stream: Stream
    windows: tuple[Window, ...]
    gap: Gap
    gap_on_return: float
    wait_before: float
    wait: float
    longest_wait: float
    longest_wait_on_return: float
    failed: int
    failed_on_return: int
    failed_seconds: float
    errors: Mapping[str, int]
    late: int


@dataclass(frozen=True, slots=True)
class Writes:
    """acknowledged: writes that were answered with 201, also late. unknown: errored ones, of which
    `unknown_kept` are there. lost: acknowledged, and absent from every complete read-back.
    differing: keys that some complete read-backs list and others do not, though they must. A write
    that was acknowledged only while the read-backs were made need not be in an older one.

    undone: acknowledged ones that a restore has taken back, in order of time; none counts as lost.
    undone_seconds: from the last acknowledgement that it kept to the last that it did not.
    """

    acknowledged: int
    unknown: int
    unknown_kept: int
    lost: tuple[str, ...]
    differing: tuple[str, ...]
    undone: tuple[str, ...] = ()
    undone_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class WatchFigures:
    """One route's watch. connection: serial for an idle one, which is to hear of beats only.
    disorder: places where a resourceVersion did not rise (a duplicate or an
    event out of order). missed: acknowledged keys that never came. wrong_revision: keys that came
    with another resourceVersion than their write was answered with. delay: longest time from an
    acknowledgement to its event; longest_wait: of what came after the fault and was acknowledged
    before its undo.
    """

    route: str
    connection: Connection
    events: int
    reopened: int
    expired: int
    disorder: tuple[str, ...]
    missed: tuple[str, ...]
    wrong_revision: tuple[str, ...]
    delay: float
    longest_wait: float

    @property
    def name(self) -> str:
        return f"{self.route}, idle" if self.connection == "serial" else self.route


@dataclass(frozen=True, slots=True)
class Judgement:
    """A metric against its limit. where: the worst stream, or "". value None: never reached."""

    metric: str
    value: float | None
    limit: float
    where: str = ""

    @property
    def met(self) -> bool:
        return self.value is not None and self.value <= self.limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """run, drill, balancer, targets: of which run, as in its history's header.

    reasons: why it is void or failed, most serious first; empty when passed. load: the highest load
    average that the operator's machine had during the run; None when none was recorded. prober:
    the host that the prober ran on, "" for the operator's machine; its dates may be wrong by
    `clock_error` seconds at most, None when that was not measured or it needed no other clock.
    took_leader: the fault silenced the host of etcd's leader, so that every request had to wait for
    an election, whatever the balancer does; other limits may apply to such a run. single_balancer:
    the fault took the only way to the endpoint, and only the healing was judged. inside: the node
    whose network was looked from, "" when nobody looked from inside. backups, restored: how the
    cluster was saved and taken back in the run, empty in drills that need not.
    """

    run: str
    drill: str
    balancer: str
    targets: tuple[str, ...]
    result: Result
    reasons: tuple[str, ...]
    judgements: tuple[Judgement, ...]
    streams: tuple[StreamFigures, ...]
    writes: Writes
    watches: tuple[WatchFigures, ...]
    leader_changes: int
    heals: Mapping[str, float | None]
    proofs: Mapping[str, float | None]
    evidence: tuple[Evidence, ...]
    lag_p50: float
    lag_p99: float
    lag_worst: float
    cpu: float
    load: float | None
    prober: str = ""
    clock_error: float | None = None
    took_leader: bool = False
    single_balancer: bool = False
    inside: str = ""
    backups: tuple[Change, ...] = ()
    restored: tuple[Restored, ...] = ()


_ADAPTER: TypeAdapter[Verdict] = TypeAdapter(Verdict)


def to_json(verdict: Verdict) -> str:
    """One JSON document; a figure that could not be had is null."""
    return _ADAPTER.dump_json(verdict, indent=1).decode() + "\n"
