"""What a lane of each kind of stream asks, and over which connection."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from kanae.drills.probing import objects, plain
from kanae.drills.probing.client import HTTP_2, Route, tls_context
from kanae.drills.probing.lanes import Attempt, KeptLane, NewLane, OnLate
from kanae.drills.probing.workload import ProbeConfig
from kanae.drills.records import Stream


@dataclass(frozen=True, slots=True)
class Contexts:
    """TLS for connections that may speak HTTP/2 where the server does, and for all others."""

    both: ssl.SSLContext
    http_1: ssl.SSLContext

    @classmethod
    def of(cls, config: ProbeConfig) -> Contexts:
        return cls(tls_context(config.credentials, HTTP_2), tls_context(config.credentials))


class Asker:
    """Of one lane: its number in its stream."""

    def __init__(
        self, config: ProbeConfig, stream: Stream, number: int, route: Route, contexts: Contexts
    ) -> None:
        self._config = config
        self.stream = stream
        self.number = number
        self._route = route
        self._lane: NewLane | KeptLane
        if stream.connection == "new":
            self._lane = NewLane(route, contexts.http_1, config.grace)
        else:
            # Serial clients are of both kinds: every other one speaks HTTP/1.1 wherever it asks.
            both = stream.connection == "kept" or number % 2 == 1
            context = contexts.both if both else contexts.http_1
            self._lane = KeptLane(route, context, config.grace)

    @property
    def protocol(self) -> str:
        """What was spoken last over a kept connection; "" for others."""
        return self._lane.protocol if isinstance(self._lane, KeptLane) else ""

    async def ask(self, at: float, key: str, late: OnLate) -> Attempt:
        """at: when it was due. key: the name of what a write makes."""
        route, namespace = self._route, self._config.namespace
        deadline = self._config.zero + at + self._config.deadline
        if self.stream.kind == "lookup":
            number = round(at / self.stream.period) & 0xFFFF
            return await plain.ask(route, plain.lookup(route.server_name, number), deadline)
        if self.stream.kind == "ping":
            return await plain.ask(route, plain.ping(route), deadline)
        if self.stream.kind == "write":
            request, success = objects.create(route, namespace, key), 201
        else:
            request, success = objects.read_target(route, namespace), 200
        return await self._lane.run(request, success, deadline, late)

    def close(self) -> None:
        self._lane.close()
