"""The workload of one run, from its set-up to the read-backs and the clean-up at its end."""

from __future__ import annotations

import asyncio
import resource
import time
from bisect import bisect_left
from collections.abc import Coroutine
from functools import partial
from typing import Any, Literal

from kanae.drills.probing import objects
from kanae.drills.probing.asking import Asker, Contexts
from kanae.drills.probing.client import (
    HttpRequest,
    RequestFailed,
    Response,
    Route,
    StatusFailed,
)
from kanae.drills.probing.listing import list_all
from kanae.drills.probing.pipelining import exchange
from kanae.drills.probing.watching import Watcher
from kanae.drills.probing.workload import READS_AND_WRITES, ProbeConfig
from kanae.drills.probing.writing import Recorder
from kanae.drills.records import (
    BEAT,
    BOUNDS,
    ENDPOINT,
    Lag,
    Late,
    Note,
    Phase,
    Proof,
    ReadBack,
    Request,
    Stream,
)

_FLUSH = 0.2  # seconds between writes to the history file
_SETUP = 30.0
SETTLE = 60.0  # for the last write, the watches and each read-back at the end
_BEAT = 0.5  # between what an idle watch hears of
_PAUSE = 0.2  # between tries while setting up and settling


class Prober:
    """Runs the workload of one configuration and records it."""

    def __init__(self, config: ProbeConfig, recorder: Recorder) -> None:
        self._config = config
        self._contexts = Contexts.of(config)
        self._context = self._contexts.http_1
        self._recorder = recorder
        self._routes = {route.name: route for route in config.routes}
        self._endpoint = self._routes.get(ENDPOINT, config.routes[0])
        self._watchers: list[Watcher] = []
        self._lanes: list[Asker] = []
        self._running: set[asyncio.Task[None]] = set()
        self._counts = [0] * (len(BOUNDS) + 1)
        self._worst = 0.0
        self._reported, self._used = time.monotonic(), _cpu()

    def now(self) -> float:
        return time.monotonic() - self._config.zero

    def note(self, text: str, level: Literal["info", "wrong"] = "info") -> None:
        """Put a sentence for the reader into the history."""
        self._recorder.write(Note(self.now(), level, text))

    # Setting up and clearing away

    async def set_up(self) -> None:
        """Make the namespace and the object to read. Raises RequestFailed."""
        config = self._config
        await self._insist(objects.create_namespace(self._endpoint, config.namespace), {201, 409})
        target = objects.create(self._endpoint, config.namespace, objects.TARGET)
        await self._insist(target, {201, 409})
        page = await self._insist(objects.list_page(self._endpoint, config.namespace), {200})
        revision = objects.revision_of(page)
        for stream in config.streams:
            if stream.kind == "watch":
                route = self._routes[stream.route]
                self._watchers.append(
                    Watcher(config, stream, route, self._context, self._recorder, revision)
                )

    async def _insist(
        self, request: HttpRequest, wanted: set[int], within: float = _SETUP
    ) -> Response:
        """Send a request through the endpoint until its status is a wanted one."""
        end = time.monotonic() + within
        while True:
            try:
                response = await exchange(
                    self._endpoint, self._context, request, deadline=self._config.deadline
                )
                if response.status in wanted:
                    return response
                raise StatusFailed(response.status, response.body.decode(errors="replace"))
            except RequestFailed:
                if time.monotonic() > end:
                    raise
            await asyncio.sleep(_PAUSE)

    async def _read_back(self, route: Route) -> ReadBack:
        end = time.monotonic() + SETTLE
        while True:
            try:
                revision, found = await list_all(
                    route,
                    self._context,
                    self._config.namespace,
                    deadline=self._config.deadline,
                )
            except RequestFailed as failure:
                if time.monotonic() > end:
                    return ReadBack(self.now(), route.name, 0, (), str(failure) or "no answer")
                await asyncio.sleep(_PAUSE)
            else:
                keys = tuple(name for name, _ in found)
                return ReadBack(self.now(), route.name, revision, keys)

    async def _settle(self) -> None:
        """The last write, what the watches have yet to see of it, the read-backs, the clean-up."""
        begun = self.now()
        fence = objects.create(self._endpoint, self._config.namespace, objects.FENCE)
        try:
            # 409: an earlier try was answered with an error but has been kept.
            await self._insist(fence, {201, 409}, SETTLE)
            written = Proof(self.now(), "final-write", True, self.now() - begun, "")
        except RequestFailed as failure:
            written = Proof(self.now(), "final-write", False, self.now() - begun, failure.detail)
        self._recorder.write(written)
        if written.ok:
            waiting = [watcher.seen(objects.FENCE) for watcher in self._watchers]
            try:
                async with asyncio.timeout(SETTLE):
                    await asyncio.gather(*waiting)
            except TimeoutError:
                self._recorder.write(
                    Note(self.now(), "info", f"a watch did not catch up within {SETTLE:g} s")
                )
        backs = [self._read_back(route) for route in self._read_routes()]
        for back in await asyncio.gather(*backs):
            self._recorder.add(back)
        self._recorder.flush()
        try:
            deletion = objects.delete_namespace(self._endpoint, self._config.namespace)
            await self._insist(deletion, {200, 202, 404, 409}, 10.0)
        except RequestFailed as failure:
            text = f"namespace {self._config.namespace} was not deleted: {failure.detail}"
            self._recorder.write(Note(self.now(), "info", text))

    def _read_routes(self) -> list[Route]:
        used = {s.route for s in self._config.streams if s.kind in READS_AND_WRITES}
        return [route for route in self._config.routes if route.name in used]

    # The workload

    async def _one(self, lane: Asker, at: float, key: str) -> None:
        stream, number = lane.stream, lane.number
        began = self.now()
        self._count(began - at)
        attempt = await lane.ask(at, key, partial(self._late, stream, number, at, key))
        end = self.now()
        self._recorder.add(
            Request(
                stream=stream.id,
                lane=number,
                at=round(at, 6),
                began=round(began, 6),
                end=round(end, 6),
                outcome=attempt.outcome,
                status=attempt.status,
                port=attempt.port,
                handshake=round(attempt.handshake, 6),
                key=key,
                revision=_revision(attempt.body) if key and attempt.outcome == "ok" else 0,
                detail=attempt.detail,
                retries=attempt.retries,
            )
        )

    def _late(self, stream: Stream, lane: int, at: float, key: str, answer: Response) -> None:
        revision = objects.revision_of(answer) if key else 0
        self._recorder.add(
            Late(stream.id, lane, round(at, 6), round(self.now(), 6), answer.status, key, revision)
        )

    def _count(self, lag: float) -> None:
        self._counts[bisect_left(BOUNDS, lag)] += 1
        self._worst = max(self._worst, lag)

    async def _timetable(self, lane: Asker, first: float) -> None:
        """Begin a lane's requests when they are due, for ever; a serial lane's not before the one
        before has its outcome.
        """
        stream, due, sequence = lane.stream, first, 0
        while True:
            if (wait := due - self.now()) > 0:
                await asyncio.sleep(wait)
            key = self._key(stream, lane.number, sequence) if stream.kind == "write" else ""
            request = self._start(self._one(lane, due, key))
            due, sequence = due + stream.period, sequence + 1
            if stream.connection == "serial":
                await asyncio.wait({request})
                due = max(due, self.now())

    def _key(self, stream: Stream, number: int, sequence: int) -> str:
        """What a write makes; no two make the same."""
        rare = max(1, round(_BEAT / stream.period))
        beats = stream.route == self._endpoint.name and stream.connection == "new"
        kind = BEAT if beats and sequence % rare == 0 else "w-"
        return f"{kind}{stream.id}-{number}-{sequence}"

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _report(self) -> None:
        """Write what has been recorded, and once a second the prober's own lag and CPU share."""
        rounds = 0
        while True:
            await asyncio.sleep(_FLUSH)
            rounds += 1
            if rounds % 5 == 0:
                self._report_lag()
            self._recorder.flush()

    def _report_lag(self) -> None:
        now, used = time.monotonic(), _cpu()
        share = (used - self._used) / (now - self._reported)
        self._recorder.add(Lag(self.now(), tuple(self._counts), self._worst, round(share, 3)))
        self._counts, self._worst = [0] * (len(BOUNDS) + 1), 0.0
        self._reported, self._used = now, used

    async def run(self, finish: asyncio.Event) -> None:
        """The workload until `finish` is set or its longest time is over, then the settling."""
        config = self._config
        streams = [stream for stream in config.streams if stream.kind != "watch"]
        total = sum(stream.lanes for stream in streams)
        begin, place = self.now() + 0.2, 0
        tables: list[asyncio.Task[None]] = [asyncio.create_task(self._report())]
        watches = [asyncio.create_task(watcher.run()) for watcher in self._watchers]
        for stream in streams:
            for number in range(stream.lanes):
                route = self._routes[stream.route]
                lane = Asker(config, stream, number, route, self._contexts)
                self._lanes.append(lane)
                # Spread over the period, so that requests do not come in bursts of all lanes.
                first = begin + stream.period * place / total
                tables.append(asyncio.create_task(self._timetable(lane, first)))
                place += 1
        try:
            async with asyncio.timeout(config.longest):
                await finish.wait()
        except TimeoutError:
            text = f"the workload ended by itself after {config.longest:g} s"
            self._recorder.write(Note(self.now(), "wrong", text))
        self._recorder.write(Phase(self.now(), "stop"))
        for table in tables[1:]:
            table.cancel()
        self._report_lag()
        kept = (lane for lane in self._lanes if lane.stream.connection == "kept")
        spoken = {lane.protocol for lane in kept} - {""}
        self.note(f"kept connections spoke {' and '.join(sorted(spoken)) or 'nothing'}")
        while self._running:
            # No request outlives its deadline.
            await asyncio.wait(set(self._running))
        await self._settle()
        for task in [*watches, tables[0]]:
            task.cancel()
        await asyncio.gather(*watches, *tables, return_exceptions=True)
        for lane in self._lanes:
            lane.close()
        self._recorder.flush()


def _revision(body: bytes) -> int:
    try:
        return objects.name_and_revision(objects.decode(body))[1]
    except ValueError:
        return 0


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
