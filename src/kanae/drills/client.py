"""A minimal HTTP/1.1 client over TLS, for probers: each connection and its fate is known exactly.

Nothing here is shared with the code that a drill judges (SSH, kubectl). No redirects, no retries,
no session resumption, no pooling: whoever calls decides on connections.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from kanae.drills.records import Error

_LIMIT = 1 << 20  # bytes of one header line or watch event
_BODY = 256 << 20


class RequestFailed(Exception):
    """Why a request got no whole answer. error: its kind, as in the history."""

    def __init__(self, error: Error, detail: str) -> None:
        super().__init__(detail)
        self.error: Error = error
        self.detail = detail


class StatusFailed(RequestFailed):
    """An answer whose status is not the wanted one."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__("http", f"status {status}: {detail}"[:300])
        self.status = status


class NotProcessed(RequestFailed):
    """The server closed the connection after an earlier answer that said so (RFC 9112, 9.6).

    It has not begun this request, which may safely be sent again.
    """

    def __init__(self) -> None:
        super().__init__("eof", "the server closed the connection in order")


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM texts. authority: the certificates that may sign a server's."""

    authority: str
    certificate: str
    key: str = field(repr=False)


def tls_context(credentials: Credentials) -> ssl.SSLContext:
    """Full verification of the server; the key never touches a disk."""
    context = ssl.create_default_context(cadata=credentials.authority)
    context.set_alpn_protocols(["http/1.1"])
    # load_cert_chain only takes paths: an anonymous file in memory has one.
    descriptor = os.memfd_create("kanae-drill", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, f"{credentials.certificate}\n{credentials.key}\n".encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests go. name: `endpoint` or a host; server_name: what the certificate must say."""

    name: str
    address: str
    port: int
    server_name: str


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes = b""


def encode(method: str, path: str, host: str, body: bytes = b"", *, close: bool = False) -> bytes:
    """One request as bytes."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: kanae-drill",
        "Accept: application/json",
    ]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + body


def classify(error: BaseException) -> tuple[Error, str]:
    """An exception of asyncio, ssl or the socket layer as a kind of error and its text."""
    detail = f"{type(error).__name__}: {error}"[:200]
    if isinstance(error, RequestFailed):
        return error.error, error.detail
    if isinstance(error, ConnectionRefusedError):
        return "refused", detail
    if isinstance(error, asyncio.IncompleteReadError | EOFError | ssl.SSLEOFError):
        return "eof", detail
    if isinstance(error, ConnectionError):
        return "reset", detail
    if isinstance(error, TimeoutError):
        return "timeout", detail
    if isinstance(error, ssl.SSLError):
        return "tls", detail
    if isinstance(error, OSError):
        return "unreachable", detail
    return "malformed", detail


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
        if size > _BODY:
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
    if not length.isdigit() or int(length) > _BODY:
        if status == 204:
            return Response(status, headers)
        raise RequestFailed("malformed", f"no usable Content-Length: {length[:20]!r}")
    return Response(status, headers, await reader.readexactly(int(length)))


class Connection:
    """One TLS connection. Requests may be sent before earlier ones are answered (pipelined).

    port: the local port. handshake: seconds from SYN to the end of the TLS handshake.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handshake: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.handshake = handshake
        name: tuple[str, int] | None = writer.get_extra_info("sockname")
        self.port = name[1] if name else 0
        self._waiting: deque[asyncio.Future[Response]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    @classmethod
    async def open(cls, route: Route, context: ssl.SSLContext) -> Connection:
        """Raises OSError and ssl.SSLError. Has no deadline of its own: cancel it."""
        begun = time.monotonic()
        reader, writer = await asyncio.open_connection(
            route.address,
            route.port,
            ssl=context,
            server_hostname=route.server_name,
            limit=_LIMIT,
            # asyncio's own bound is 60 s; the caller's deadline is to be the only one that counts.
            ssl_handshake_timeout=300,
            ssl_shutdown_timeout=1,
        )
        raw: socket.socket | None = writer.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(reader, writer, time.monotonic() - begun)

    @property
    def usable(self) -> bool:
        """Whether it can take another request: neither side has closed it as far as is known."""
        return not (self._ended or self._reader.at_eof() or self._writer.is_closing())

    def send(self, data: bytes) -> asyncio.Future[Response]:
        """Send a request; the future is its response or a RequestFailed."""
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._writer.write(data)
        if self._task is None:
            self._task = asyncio.create_task(self._read())
        return future

    async def _read(self) -> None:
        reason: RequestFailed = NotProcessed()
        try:
            while True:
                # Also waits while nothing has been asked, and so notices when the server closes.
                response = await _response(self._reader)
                if not self._waiting:
                    raise RequestFailed("malformed", "an answer to no request")
                future = self._waiting.popleft()
                if not future.done():
                    future.set_result(response)
                if response.headers.get("connection", "").lower() == "close":
                    break
        except (OSError, EOFError, RequestFailed, ValueError) as error:
            reason = RequestFailed(*classify(error))
        except asyncio.CancelledError:
            reason = RequestFailed("eof", "closed by the prober")
            raise
        finally:
            self._ended = True
            self._writer.transport.abort()
            for future in self._waiting:
                if not future.done():
                    future.set_exception(reason)
            self._waiting.clear()

    async def stream(self, data: bytes) -> AsyncIterator[bytes]:
        """Send the only request of this connection and yield its body's lines as they come."""
        self._writer.write(data)
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

    def retire(self, grace: float) -> None:
        """Take no more requests; wait `grace` seconds for answers that may still come."""
        self._ended = True
        asyncio.get_running_loop().call_later(grace, self.abort)

    def abort(self) -> None:
        """Close at once, without a TLS goodbye that a dead server would never answer."""
        if self._task is not None:
            self._task.cancel()
        self._ended = True
        self._writer.transport.abort()


async def request(
    route: Route, context: ssl.SSLContext, data: bytes, *, deadline: float
) -> Response:
    """One request over its own connection. Raises RequestFailed, also after the deadline (s)."""
    connection: Connection | None = None
    try:
        async with asyncio.timeout(deadline):
            connection = await Connection.open(route, context)
            return await connection.send(data)
    except (OSError, EOFError) as error:
        raise RequestFailed(*classify(error)) from None
    finally:
        if connection is not None:
            connection.abort()
