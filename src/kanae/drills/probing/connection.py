"""One TLS connection of a prober: opened, used until it breaks, its fate known exactly."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass

from kanae.drills.probing.client import HttpRequest, RequestFailed, Response, Route, classify

_LIMIT = 1 << 20  # bytes of one header line or watch event


@dataclass(frozen=True, slots=True)
class Link:
    """An open TLS connection. port: the local one. handshake: seconds from SYN to TLS' end.
    protocol: as chosen by ALPN, "" when the server chose none.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    port: int
    handshake: float
    protocol: str

    @classmethod
    async def open(cls, route: Route, context: ssl.SSLContext) -> Link:
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
        name: tuple[str, int] | None = writer.get_extra_info("sockname")
        tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        protocol = tls.selected_alpn_protocol() if tls is not None else None
        port = name[1] if name else 0
        return cls(reader, writer, port, time.monotonic() - begun, protocol or "")


class Connection(ABC):
    """Takes requests before earlier ones are answered. When it breaks, all unanswered ones fail."""

    def __init__(self, link: Link) -> None:
        self._reader = link.reader
        self._writer = link.writer
        self.port = link.port
        self.handshake = link.handshake
        self.protocol = link.protocol
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    @property
    def usable(self) -> bool:
        """Whether it can take another request: neither side has closed it as far as is known."""
        return not (self._ended or self._reader.at_eof() or self._writer.is_closing())

    @abstractmethod
    def send(self, request: HttpRequest) -> asyncio.Future[Response]:
        """Send a request; the future is its response or a RequestFailed."""

    @abstractmethod
    async def _receive(self) -> RequestFailed:
        """Resolve requests until the server ends the connection in order; what then becomes of
        the unanswered ones. Raises OSError, EOFError, ValueError and RequestFailed when it breaks.
        """

    @abstractmethod
    def _fail(self, reason: RequestFailed) -> None:
        """Fail all that is unanswered."""

    def _listen(self) -> None:
        """Begin to receive, unless that is so already."""
        if self._task is None:
            self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        reason = RequestFailed("eof", "closed by the prober")
        try:
            reason = await self._receive()
        except (OSError, EOFError, RequestFailed, ValueError) as error:
            reason = RequestFailed(*classify(error))
        finally:
            self._ended = True
            self._writer.transport.abort()
            self._fail(reason)

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
