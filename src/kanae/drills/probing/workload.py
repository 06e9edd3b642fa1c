"""What a prober is told, and the streams that make up a workload. Values only.

A workload is open-loop: every lane has a timetable, and each request is dated from when it was
due, whatever became of those before it. Part of the prober, so of the standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from kanae.drills.probing.client import Credentials, Route
from kanae.drills.records import CONTROL, DNS, ENDPOINT, INSIDE, Connection, Kind, Stream

READS_AND_WRITES: tuple[Kind, ...] = ("read", "write")
CONNECTIONS: tuple[Connection, ...] = ("new", "kept")


@dataclass(frozen=True, slots=True)
class Load:
    """period: seconds between requests of one lane through the endpoint; and between requests over
    new connections, and between requests over kept ones, directly to one API server (reads and
    writes, and the kept connections, take turns). kept: how many kept connections a stream has.
    direct: whether API servers are asked directly too. As many connections more through the
    endpoint are serial: their reads, and their writes, together come once a period at most. From
    inside, new, kept and serial connections come half as often each, reads and writes by turns; the
    DNS is asked once a period.
    """

    period: float = 0.1
    kept: int = 4
    direct: bool = True

    def streams(self, routes: Sequence[Route]) -> tuple[Stream, ...]:
        """All streams over some routes; the one named `endpoint` gets every lane's full rate."""
        return tuple(
            Stream(number, route, connection, kind, lanes, period)
            for number, (route, connection, kind, lanes, period) in enumerate(self._all(routes))
        )

    def _all(self, routes: Sequence[Route]) -> Iterator[tuple[str, Connection, Kind, int, float]]:
        for route in routes:
            if route.name == DNS:
                yield DNS, "new", "lookup", 1, self.period
                continue
            if route.name == CONTROL:
                yield CONTROL, "new", "ping", 1, self.period * 2
                continue
            if route.name not in (ENDPOINT, INSIDE) and not self.direct:
                continue
            for connection in CONNECTIONS:
                lanes = self.kept if connection == "kept" else 1
                turns = 1 if route.name == ENDPOINT else lanes * len(READS_AND_WRITES)
                for kind in READS_AND_WRITES:
                    yield route.name, connection, kind, lanes, self.period * turns
            if route.name != INSIDE:
                yield route.name, "kept", "watch", 1, self.period
            if route.name in (ENDPOINT, INSIDE):
                turns = self.kept if route.name == ENDPOINT else self.kept * 2
                for kind in READS_AND_WRITES:
                    yield route.name, "serial", kind, self.kept, self.period * turns
                yield route.name, "serial", "watch", 1, self.period

    def rate(self, routes: Sequence[Route]) -> float:
        """Requests per second in all."""
        return sum(s.lanes / s.period for s in self.streams(routes) if s.kind != "watch")


@dataclass(frozen=True, slots=True)
class ProbeConfig:
    """Told to the prober's process through its standard input, never in its arguments.

    history: the file that records go to, "" for standard output. zero: value of its machine's
    monotonic clock at the history's zero. deadline: when a request is given up. grace: how long
    the answer to a given-up request is still waited for. longest: the prober ends by itself after
    this time. silence: it does so too after hearing nothing for so long, 0 for never. All in
    seconds.
    """

    history: str
    zero: float
    namespace: str
    routes: tuple[Route, ...]
    streams: tuple[Stream, ...]
    credentials: Credentials = field(repr=False)
    deadline: float = 10.0
    grace: float = 20.0
    longest: float = 3600.0
    silence: float = 0.0

    def encode(self) -> bytes:
        """One line of JSON, without its end."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, line: bytes) -> ProbeConfig:
        """Of what `encode` gave."""
        given: dict[str, Any] = json.loads(line)
        given["routes"] = tuple(Route(**route) for route in given["routes"])
        given["streams"] = tuple(Stream(**stream) for stream in given["streams"])
        given["credentials"] = Credentials(**given["credentials"])
        return cls(**given)
