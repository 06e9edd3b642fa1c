"""What a history holds, as values. One record is one JSON object with its kind in `k`.

Times are seconds since the history's zero (`Header.zero`, Unix time), taken from the monotonic
clock that all processes of one machine share; a prober on another machine dates by its own, set
by it (`Clock`). Durations are seconds. Part of the prober, so of the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FORMAT = 1
ENDPOINT = "endpoint"
# As a pod has them: the Service `kubernetes`, the cluster's DNS, and what no fault can touch.
INSIDE = "inside"
DNS = "dns"
CONTROL = "control"

# The change that a drill's own backup is: it alters nothing, but takes of what there is.
BACKUP = "backup"

# What is rarely written, and all that an idle watch hears of: names of ConfigMaps begin with it.
BEAT = "beat-"

# serial: kept, by a client that sends nothing more until it has its answer.
Connection = Literal["new", "kept", "serial"]
# lookup: of a name in the cluster's DNS. ping: of a kubelet that no fault touches.
Kind = Literal["read", "write", "watch", "lookup", "ping"]
# http: an answer came with a status that is no success. tls: the handshake failed.
Error = Literal["refused", "reset", "timeout", "eof", "unreachable", "tls", "http", "malformed"]
Outcome = Literal["ok"] | Error
PhaseName = Literal["warm-up", "steady", "fault", "recovery", "after", "stop"]


@dataclass(frozen=True, slots=True)
class Stream:
    """Requests of one kind over one route. route: `endpoint`, `inside`, `dns`, `control`, or a
    host's name for its API server.

    lanes: kept connections, each sending every `period` seconds; one lane for new connections. A
    serial lane sends as often at most: its next request waits for the outcome of the one before. A
    serial watch is idle: it hears of what begins with BEAT only.
    """

    id: int
    route: str
    connection: Connection
    kind: Kind
    lanes: int
    period: float

    @property
    def name(self) -> str:
        return f"{self.route} {self.connection} {self.kind}"


@dataclass(frozen=True, slots=True)
class Header:
    """The first record. limits: metric -> threshold, as resolved when the run began.

    digest: sha256 of the spec file, hex. prober: the host that it runs on, "" for the operator's
    machine. fault: its kind, as in its plan. leader_limits: apply instead of those of `limits` when
    the fault takes the host of etcd's leader. single_balancer: the fault takes the only way to the
    endpoint. inside: the node whose network the streams from inside come from, "" without any.
    Histories of an older kanae have none of the four.
    """

    run: str
    drill: str
    cluster: str
    digest: str
    versions: Mapping[str, str]
    balancer: str
    targets: tuple[str, ...]
    zero: float
    streams: tuple[Stream, ...]
    deadline: float
    limits: Mapping[str, float]
    validity: Mapping[str, float]
    prober: str = ""
    fault: str = ""
    leader_limits: Mapping[str, float] = field(default_factory=dict[str, float])
    single_balancer: bool = False
    inside: str = ""
    format: int = FORMAT
    k: Literal["header"] = "header"


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the run begins: warm-up, steady, fault, recovery, after, stop."""

    at: float
    name: PhaseName
    k: Literal["phase"] = "phase"


@dataclass(frozen=True, slots=True)
class Request:
    """at: when it was due; began: when it was really begun; end: when its outcome was known.

    status: HTTP status or 0. port: the local one, which names the connection. handshake: time for
    TCP and TLS when this request opened the connection, else 0. key, revision: of a write.
    retries: how often the server told it to come again later (429 with Retry-After).
    """

    stream: int
    lane: int
    at: float
    began: float
    end: float
    outcome: Outcome
    status: int = 0
    port: int = 0
    handshake: float = 0.0
    key: str = ""
    revision: int = 0
    detail: str = ""
    retries: int = 0
    k: Literal["request"] = "request"

    @property
    def ok(self) -> bool:
        return self.outcome == "ok"

    @property
    def latency(self) -> float:
        return self.end - self.at


@dataclass(frozen=True, slots=True)
class Late:
    """The answer to a request that had been given up at its deadline."""

    stream: int
    lane: int
    at: float
    end: float
    status: int
    key: str = ""
    revision: int = 0
    k: Literal["late"] = "late"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """type: ADDED, MODIFIED, DELETED or BOOKMARK, or LISTED when the watch had expired and its
    objects were listed anew. revision: the object's resourceVersion.
    """

    stream: int
    at: float
    type: str
    revision: int
    key: str = ""
    k: Literal["watch"] = "watch"


@dataclass(frozen=True, slots=True)
class WatchState:
    """A watch opens, resuming after `revision`, or ends. state expired: it could not resume."""

    stream: int
    at: float
    state: Literal["open", "ended", "expired", "failed"]
    revision: int = 0
    port: int = 0
    detail: str = ""
    k: Literal["watch-state"] = "watch-state"


@dataclass(frozen=True, slots=True)
class FaultEvent:
    at: float
    event: Literal["prepare", "inject", "injected", "undo", "undone"]
    detail: str = ""
    k: Literal["fault"] = "fault"


@dataclass(frozen=True, slots=True)
class Change:
    """The cluster was changed by one that manages it, in the `seconds` that end `at`.

    detail: by which command.
    """

    at: float
    name: str
    seconds: float
    detail: str = ""
    k: Literal["change"] = "change"

    @property
    def begin(self) -> float:
        return self.at - self.seconds


@dataclass(frozen=True, slots=True)
class Evidence:
    """Whether the fault took effect, as seen in one way."""

    at: float
    name: str
    host: str
    took: bool
    detail: str
    k: Literal["evidence"] = "evidence"


@dataclass(frozen=True, slots=True)
class Health:
    at: float
    when: Literal["before", "after"]
    problems: tuple[str, ...]
    k: Literal["health"] = "health"


@dataclass(frozen=True, slots=True)
class Leader:
    """etcd's leader as a member names it: hexadecimal member id. host: where that member is, "" in
    older histories and when it did not answer itself.
    """

    at: float
    leader: str
    host: str = ""
    k: Literal["leader"] = "leader"


@dataclass(frozen=True, slots=True)
class Hashes:
    """HashKV of each member at one revision; None where a member gave none."""

    at: float
    revision: int
    hashes: Mapping[str, int | None]
    k: Literal["hashes"] = "hashes"


@dataclass(frozen=True, slots=True)
class Heal:
    """Something is whole again, `seconds` after the undo began; None: not within its deadline."""

    at: float
    what: Literal["api", "host", "node", "redundancy"]
    seconds: float | None
    detail: str = ""
    k: Literal["heal"] = "heal"


@dataclass(frozen=True, slots=True)
class Restored:
    """The cluster was taken back, in the `seconds` that end `at`, to etcd's revision `revision`:
    what was written after it is gone. Revisions go on from `reached`. source: from what.
    """

    at: float
    revision: int
    reached: int
    seconds: float
    source: str
    k: Literal["restored"] = "restored"

    def undoes(self, revision: int) -> bool:
        """Whether a write of that revision was undone by it."""
        return self.revision < revision <= self.reached


@dataclass(frozen=True, slots=True)
class Proof:
    """Something extra that a drill shows, such as a Deployment made while a host is dead."""

    at: float
    name: str
    ok: bool
    seconds: float
    detail: str
    k: Literal["proof"] = "proof"


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Every key that a route lists after the run. error: why the list is not complete, or ""."""

    at: float
    route: str
    revision: int
    keys: tuple[str, ...]
    error: str = ""
    k: Literal["read-back"] = "read-back"


@dataclass(frozen=True, slots=True)
class Lag:
    """How late the prober itself began its requests since its last report; `counts` by `BOUNDS`."""

    at: float
    counts: tuple[int, ...]
    worst: float
    cpu: float = 0.0
    k: Literal["lag"] = "lag"


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the reader. level: info; wrong, which makes the run void."""

    at: float
    level: Literal["info", "wrong"]
    text: str
    k: Literal["note"] = "note"


@dataclass(frozen=True, slots=True)
class Machine:
    """How busy the operator's machine is. load: average over a minute, as in /proc/loadavg."""

    at: float
    cores: int
    load: float
    k: Literal["machine"] = "machine"


@dataclass(frozen=True, slots=True)
class Clock:
    """How far the dates of a prober on another machine are ahead of the history's clock.

    ahead: how far its clock is, which its dates are corrected by as it was before the workload.
    offset: what that leaves. As the quickest of `samples` round trips shows them; the truth is
    within `bound`, half that round trip. when: before the workload, or at its end.
    """

    at: float
    when: Literal["before", "after"]
    host: str
    ahead: float
    offset: float
    bound: float
    samples: int
    k: Literal["clock"] = "clock"

    @property
    def error(self) -> float:
        """What a date may be wrong by at most."""
        return abs(self.offset) + self.bound


# Upper bounds of the lag histogram's classes, seconds; one more class is open above.
BOUNDS: tuple[float, ...] = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

Record = (
    Header
    | Phase
    | Request
    | Late
    | WatchEvent
    | WatchState
    | FaultEvent
    | Change
    | Evidence
    | Health
    | Leader
    | Hashes
    | Heal
    | Restored
    | Proof
    | ReadBack
    | Lag
    | Note
    | Machine
    | Clock
)


@dataclass(frozen=True, slots=True)
class History:
    """A whole run. Each tuple is in order of time (requests and late answers: of `at`).

    torn: the file ends in the middle of a record. broken: unreadable records before its end.
    """

    header: Header
    phases: tuple[Phase, ...] = ()
    requests: tuple[Request, ...] = ()
    late: tuple[Late, ...] = ()
    watch: tuple[WatchEvent, ...] = ()
    watch_states: tuple[WatchState, ...] = ()
    faults: tuple[FaultEvent, ...] = ()
    changes: tuple[Change, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    health: tuple[Health, ...] = ()
    leaders: tuple[Leader, ...] = ()
    hashes: tuple[Hashes, ...] = ()
    heals: tuple[Heal, ...] = ()
    restored: tuple[Restored, ...] = ()
    proofs: tuple[Proof, ...] = ()
    read_backs: tuple[ReadBack, ...] = ()
    lags: tuple[Lag, ...] = ()
    notes: tuple[Note, ...] = field(default=())
    machine: tuple[Machine, ...] = ()
    clocks: tuple[Clock, ...] = ()
    torn: bool = False
    broken: int = 0

    def phase(self, name: str) -> float | None:
        """When a part of the run began, None if it never did."""
        return next((phase.at for phase in self.phases if phase.name == name), None)

    def fault(self, event: str) -> float | None:
        return next((fault.at for fault in self.faults if fault.event == event), None)
