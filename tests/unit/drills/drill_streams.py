"""The server's side of HTTP/2: for a simulated API server, and for a test that plays it by hand."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    PingAckReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from kanae.drills.probing.client import Route


@dataclass(frozen=True)
class Answer:
    """last: followed by GOAWAY, as an API server does for `Connection: close` of its own."""

    status: int
    headers: dict[str, str]
    body: bytes
    last: bool = False


@dataclass
class Asked:
    """A request as it came. number: of its stream."""

    number: int
    method: str
    path: str
    body: bytearray = field(default_factory=bytearray)


class Session:
    """One connection; `asked` gets each whole request."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        asked: Callable[[Asked], None],
        settings: dict[SettingCodes | int, int] | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._asked = asked
        self._open: dict[int, Asked] = {}
        self.highest = 0
        self.last = 2**31 - 1  # what came after it is not begun
        self.ended = asyncio.Event()
        self.pongs: list[bytes] = []
        self.resets: list[int] = []
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.http.initiate_connection()
        if settings:
            self.http.update_settings(settings)
        self.flush()

    def flush(self) -> None:
        self._writer.write(self.http.data_to_send())

    async def serve(self) -> None:
        """Until the client closes."""
        try:
            while data := await self._reader.read(65536):
                for event in self.http.receive_data(data):
                    self._on(event)
                self.flush()
        finally:
            self.ended.set()

    def _on(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            headers = {str(name): str(value) for name, value in event.headers}
            asked = Asked(event.stream_id, headers[":method"], headers[":path"])
            self._open[event.stream_id] = asked
            self.highest = min(event.stream_id, self.last)
        elif isinstance(event, DataReceived):
            self._open[event.stream_id].body += event.data
            length = event.flow_controlled_length
            self.http.acknowledge_received_data(length, event.stream_id)
        elif isinstance(event, StreamEnded):
            asked = self._open.pop(event.stream_id)
            if asked.number <= self.last:
                self._asked(asked)
        elif isinstance(event, PingAckReceived):
            self.pongs.append(event.ping_data)
        elif isinstance(event, StreamReset):
            self.resets.append(event.stream_id)

    def answer(self, number: int, answer: Answer) -> None:
        # The headers of a real API server, which cost its client time.
        headers = [
            (":status", str(answer.status)),
            ("audit-id", str(uuid.uuid4())),
            ("cache-control", "no-cache, private"),
            ("content-type", "application/json"),
            ("x-kubernetes-pf-flowschema-uid", "cd7bd4e5-6fc7-4f8d-8c6b-1e0d3c1ee3a9"),
            ("x-kubernetes-pf-prioritylevel-uid", "7d1ed8b5-5e76-4a02-8f4c-1cf8a4a9cb9e"),
            ("content-length", str(len(answer.body))),
            ("date", "Tue, 24 Nov 2026 12:00:00 GMT"),
            *answer.headers.items(),
        ]
        self.http.send_headers(number, headers)
        self.http.send_data(number, answer.body, end_stream=True)
        self.flush()
        if answer.last:
            self.go_away(self.highest)

    def refuse(self, number: int, code: ErrorCodes = ErrorCodes.REFUSED_STREAM) -> None:
        self.http.reset_stream(number, code)
        self.flush()

    def go_away(self, last: int, code: int = 0) -> None:
        self.last = last
        # Past h2, which would answer nothing more after it.
        self._writer.write(GoAwayFrame(0, last, code).serialize())

    def ping(self, data: bytes) -> None:
        self.http.ping(data)
        self.flush()

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def reset(self) -> None:
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()


async def serve_streams(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    do: Callable[[str, str, bytes], Awaitable[Answer]],
) -> None:
    """Answer each request of a connection by itself."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(asked: Asked) -> None:
        answer = await do(asked.method, asked.path, bytes(asked.body))
        session.answer(asked.number, answer)

    def start(asked: Asked) -> None:
        task = asyncio.create_task(one(asked))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    session = Session(reader, writer, start)
    try:
        await session.serve()
    finally:
        for task in tasks:
            task.cancel()


class Peer:
    """A server whose every step is the test's: `async with Peer(context) as peer: ...`."""

    def __init__(
        self, context: ssl.SSLContext, settings: dict[SettingCodes | int, int] | None = None
    ) -> None:
        self._context = context
        self._settings = settings
        self._server: asyncio.Server | None = None
        self._sessions: asyncio.Queue[tuple[Session, asyncio.Queue[Asked]]] = asyncio.Queue()
        self._asked: asyncio.Queue[Asked] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        return self

    @property
    def route(self) -> Route:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return Route("endpoint", "127.0.0.1", port, "127.0.0.1")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked: asyncio.Queue[Asked] = asyncio.Queue()
        session = Session(reader, writer, asked.put_nowait, self._settings)
        self._writers.append(writer)
        self._sessions.put_nowait((session, asked))
        try:
            await session.serve()
        except OSError:
            return
        finally:
            writer.transport.abort()

    async def connected(self) -> Session:
        """The next connection, whose requests are then `asked`."""
        session, self._asked = await asyncio.wait_for(self._sessions.get(), 10)
        return session

    async def asked(self, count: int) -> list[Asked]:
        """So many requests more."""
        return [await asyncio.wait_for(self._asked.get(), 10) for _ in range(count)]

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for writer in self._writers:
            writer.transport.abort()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
