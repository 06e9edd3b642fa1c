"""A watch that is resumed after every break, as Kubernetes' own clients do it, and recorded."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Literal

from kanae.drills.probing import objects
from kanae.drills.probing.client import RequestFailed, Route, StatusFailed, classify
from kanae.drills.probing.listing import list_all
from kanae.drills.probing.pipelining import Pipelined
from kanae.drills.probing.workload import ProbeConfig
from kanae.drills.probing.writing import Recorder
from kanae.drills.records import Stream, WatchEvent, WatchState

_PAUSE = 0.1  # before a watch is opened again
_GONE = 410  # the server no longer knows the revision to resume from


class Watcher:
    """One route's watch on the drill's ConfigMaps; an idle one on those that are rarely written."""

    def __init__(
        self,
        config: ProbeConfig,
        stream: Stream,
        route: Route,
        context: ssl.SSLContext,
        recorder: Recorder,
        revision: int,
    ) -> None:
        self._config = config
        self._stream = stream
        self._route = route
        self._context = context
        self._recorder = recorder
        self._revision = revision
        self._names: set[str] = set()
        self._changed = asyncio.Event()

    def _now(self) -> float:
        return round(time.monotonic() - self._config.zero, 6)

    async def seen(self, name: str) -> None:
        """Return once an object of this name has come."""
        while name not in self._names:
            self._changed.clear()
            await self._changed.wait()

    def _record(self, kind: str, revision: int, name: str = "") -> None:
        self._recorder.add(WatchEvent(self._stream.id, self._now(), kind, revision, name))
        self._names.add(name)
        self._changed.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self._once()
                self._state("ended", "the server ended it")
            except (OSError, EOFError, ValueError, RequestFailed) as error:
                if isinstance(error, StatusFailed) and error.status == _GONE:
                    self._state("expired", error.detail)
                    await self._list()
                else:
                    kind, detail = classify(error)
                    self._state("failed", f"{kind}: {detail}")
            await asyncio.sleep(_PAUSE)

    def _state(
        self, state: Literal["open", "ended", "expired", "failed"], detail: str, port: int = 0
    ) -> None:
        self._recorder.add(
            WatchState(self._stream.id, self._now(), state, self._revision, port, detail)
        )

    async def _once(self) -> None:
        connection: Pipelined | None = None
        try:
            async with asyncio.timeout(self._config.deadline):
                connection = await Pipelined.open(self._route, self._context)
            self._state("open", "", connection.port)
            idle = self._stream.connection == "serial"
            request = objects.watch(self._route, self._config.namespace, self._revision, idle=idle)
            lines = connection.stream(request)
            while True:
                # Writes go on all the time, and a beat comes twice a second: silence means a
                # dead connection, which nothing else might ever tell.
                async with asyncio.timeout(self._config.deadline):
                    line = await anext(lines, None)
                if line is None:
                    return
                self._event(line)
        finally:
            if connection is not None:
                connection.abort()

    def _event(self, line: bytes) -> None:
        event = objects.decode(line)
        kind, thing = str(event.get("type", "")), objects.part(event, "object")
        if kind == "ERROR":
            code = int(thing.get("code") or 0)
            raise StatusFailed(code, f"watch error: {str(thing.get('message'))[:200]}")
        name, revision = objects.name_and_revision(thing)
        self._record(kind, revision, "" if kind == "BOOKMARK" else name)
        self._revision = max(self._revision, revision)

    async def _list(self) -> None:
        """Everything anew, to go on from there. Left to the next round when it fails."""
        try:
            revision, found = await list_all(
                self._route,
                self._context,
                self._config.namespace,
                deadline=self._config.deadline,
            )
        except RequestFailed as failure:
            self._state("failed", failure.detail)
            return
        for name, at in found:
            self._record("LISTED", at, name)
        self._record("BOOKMARK", revision)
        self._revision = revision
