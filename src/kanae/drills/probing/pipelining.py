"""HTTP/1.1: one request over a connection of its own, or one sent right behind another."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator

from kanae.drills.probing.client import (
    BODY,
    HttpRequest,
    NotProcessed,
    RequestFailed,
    Response,
    Route,
    StatusFailed,
    classify,
)
from kanae.drills.probing.connection import Connection, Link


def encode(request: HttpRequest, *, last: bool = False) -> bytes:
    """One request as bytes. last: no other one follows on its connection."""
    lines = [
        f"{request.method} {request.path} HTTP/1.1",
        f"Host: {request.host}",
        "User-Agent: kanae-drill",
        "Accept: application/json",
    ]
    if request.body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(request.body)}"]
    if last:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + request.body


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    line = await reader.readline()
    if not line:
        raise EOFError("connection closed before an answer")
    parts = line.split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        raise RequestFailed("malformed", f"no HTTP status line: {line[:60]!r}")
    headers: dict[str, str] = {}
    while (line := await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if not line:
        raise EOFError("connection closed within the headers")
    return int(parts[1]), headers


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        line = await reader.readline()
        if not line:
            raise EOFError("connection closed within the body")
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            raise RequestFailed("malformed", f"no chunk size: {line[:60]!r}") from None
        if size > BODY:
            raise RequestFailed("malformed", f"a chunk of {size} bytes")
        chunk = await reader.readexactly(size + 2)
        if size == 0:
            return
        yield chunk[:-2]


async def _response(reader: asyncio.StreamReader) -> Response:
    status, headers = await _head(reader)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Response(status, headers, b"".join([c async for c in _chunks(reader)]))
    length = headers.get("content-length", "")
    if not length.isdigit() or int(length) > BODY:
        if status == 204:
            return Response(status, headers)
        raise RequestFailed("malformed", f"no usable Content-Length: {length[:20]!r}")
    return Response(status, headers, await reader.readexactly(int(length)))


class Pipelined(Connection):
    """Answers come in the order of the requests, each only after the one before.

    last: its only request is its last.
    """

    def __init__(self, link: Link, *, last: bool = False) -> None:
        super().__init__(link)
        self._last = last
        self._waiting: deque[asyncio.Future[Response]] = deque()

    @classmethod
    async def open(cls, route: Route, context: ssl.SSLContext) -> Pipelined:
        """For a single request. As `Link.open`."""
        return cls(await Link.open(route, context), last=True)

    def send(self, request: HttpRequest) -> asyncio.Future[Response]:
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._writer.write(encode(request, last=self._last))
        self._listen()
        return future

    async def _receive(self) -> RequestFailed:
        while True:
            # Also waits while nothing has been asked, and so notices when the server closes.
            response = await _response(self._reader)
            if not self._waiting:
                raise RequestFailed("malformed", "an answer to no request")
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(response)
            if response.headers.get("connection", "").lower() == "close":
                # It has begun none of those behind this one (RFC 9112, 9.6).
                return NotProcessed("the server closed the connection in order", spaced=False)

    def _fail(self, reason: RequestFailed) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_exception(reason)
        self._waiting.clear()

    async def stream(self, request: HttpRequest) -> AsyncIterator[bytes]:
        """Send the only request of this connection and yield its body's lines as they come."""
        self._writer.write(encode(request, last=True))
        status, headers = await _head(self._reader)
        if status != 200:
            body = b""
            if headers.get("content-length", "").isdigit():
                body = await self._reader.readexactly(int(headers["content-length"]))
            raise StatusFailed(status, body.decode(errors="replace"))
        rest = b""
        async for chunk in _chunks(self._reader):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line


async def exchange(
    route: Route, context: ssl.SSLContext, request: HttpRequest, *, deadline: float
) -> Response:
    """One request over its own connection. Raises RequestFailed, also after the deadline (s)."""
    connection: Pipelined | None = None
    try:
        async with asyncio.timeout(deadline):
            connection = await Pipelined.open(route, context)
            return await connection.send(request)
    except (OSError, EOFError) as error:
        raise RequestFailed(*classify(error)) from None
    finally:
        if connection is not None:
            connection.abort()
