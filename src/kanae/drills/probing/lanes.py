"""One request at a time to its outcome: over a new connection, or over one kept connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from kanae.drills.probing.client import (
    HttpRequest,
    NotProcessed,
    RequestFailed,
    Response,
    Route,
    classify,
)
from kanae.drills.probing.connection import Connection, Link
from kanae.drills.probing.multiplexing import Multiplexed
from kanae.drills.probing.pipelining import Pipelined
from kanae.drills.records import Outcome

_TOO_MANY = 429


@dataclass(slots=True)
class Attempt:
    """What became of a request. late: set by a lane's owner, called with an answer that comes
    after the deadline.
    """

    outcome: Outcome = "timeout"
    status: int = 0
    port: int = 0
    handshake: float = 0.0
    body: bytes = b""
    detail: str = ""
    retries: int = 0
    refusals: int = 0

    async def told_to_wait(self, response: Response) -> bool:
        """Whether the server asks to come again later (429 with Retry-After), and the waiting.

        It has not done what was asked. Every Kubernetes client obeys: an API server that shuts
        down says it to whoever still comes over a kept connection. The request stays dated from
        when it was due.
        """
        seconds = response.headers.get("retry-after", "")
        if response.status != _TOO_MANY or not seconds.isdigit():
            return False
        self.retries += 1
        await asyncio.sleep(int(seconds))
        return True

    async def turned_away(self, refusal: NotProcessed) -> None:
        """Wait until it is time to send the request again, as Go's HTTP/2 client does: the first
        time at once, then after 1 s, 2 s, 4 s.
        """
        self.refusals += 1
        if refusal.spaced and self.refusals > 1:
            await asyncio.sleep(2 ** (self.refusals - 2))

    def answered(self, response: Response, success: int) -> None:
        self.status = response.status
        self.body = response.body
        self.outcome = "ok" if response.status == success else "http"
        if self.outcome == "http":
            self.detail = response.body[:200].decode(errors="replace")

    def failed(self, error: BaseException) -> None:
        self.outcome, self.detail = classify(error)


OnLate = Callable[[Response], None]


def _watch_for_late(future: asyncio.Future[Response], late: OnLate) -> None:
    def done(future: asyncio.Future[Response]) -> None:
        # Fetching the exception also tells asyncio that nobody else will.
        if not future.cancelled() and future.exception() is None:
            late(future.result())

    future.add_done_callback(done)


class NewLane:
    """Every request has a connection of its own."""

    def __init__(self, route: Route, context: ssl.SSLContext, grace: float) -> None:
        self._route = route
        self._context = context
        self._grace = grace

    async def run(
        self, request: HttpRequest, success: int, deadline: float, late: OnLate
    ) -> Attempt:
        """deadline: on the event loop's clock."""
        attempt = Attempt()
        connection: Pipelined | None = None
        future: asyncio.Future[Response] | None = None
        try:
            async with asyncio.timeout_at(deadline):
                while attempt.status == 0:
                    connection = future = None
                    connection = await Pipelined.open(self._route, self._context)
                    attempt.port, attempt.handshake = connection.port, connection.handshake
                    future = connection.send(request)
                    response = await asyncio.shield(future)
                    if response.status == _TOO_MANY:
                        connection.abort()
                    if not await attempt.told_to_wait(response):
                        attempt.answered(response, success)
        except TimeoutError as error:
            attempt.failed(error)
        except (OSError, EOFError, RequestFailed) as error:
            attempt.failed(error)
            future = None
        if connection is not None:
            if attempt.outcome == "timeout" and future is not None:
                _watch_for_late(future, late)
                connection.retire(self._grace)
            else:
                connection.abort()
        return attempt

    def close(self) -> None:
        """Nothing is kept."""


class KeptLane:
    """All requests go over one connection until it breaks; the next one then opens another.

    HTTP/2 where the server speaks it, as Kubernetes' own clients do. Otherwise a request that
    comes while earlier ones are unanswered is sent right behind them (HTTP/1.1 pipelining). After
    a timeout the connection is given up for new requests, but late answers on it are still waited
    for. protocol: the last one that was spoken.
    """

    def __init__(self, route: Route, context: ssl.SSLContext, grace: float) -> None:
        self._route = route
        self._context = context
        self._grace = grace
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None
        self.protocol = ""

    async def _open(self) -> Connection:
        link = await Link.open(self._route, self._context)
        self.protocol = link.protocol or "http/1.1"
        return Multiplexed(link) if link.protocol == "h2" else Pipelined(link)

    async def _acquire(self, attempt: Attempt) -> Connection:
        while self._connection is None or not self._connection.usable:
            if self._opening is None:
                self._opening = asyncio.create_task(self._open())
            opening = self._opening
            try:
                connection = await asyncio.shield(opening)
            except asyncio.CancelledError:
                # Either this request's own time is up, or an older one gave up the opening.
                task = asyncio.current_task()
                if not opening.cancelled() or (task is not None and task.cancelling()):
                    raise
                continue
            except BaseException:
                if self._opening is opening:
                    self._opening = None
                raise
            if self._opening is opening:
                self._opening = None
                self._connection = connection
                attempt.handshake = connection.handshake
        return self._connection

    def _give_up(self, connection: Connection | None) -> None:
        if connection is not None:
            connection.retire(self._grace)
        elif self._opening is not None:
            self._opening.cancel()
            self._opening = None

    async def run(
        self, request: HttpRequest, success: int, deadline: float, late: OnLate
    ) -> Attempt:
        """deadline: on the event loop's clock."""
        attempt = Attempt()
        connection: Connection | None = None
        future: asyncio.Future[Response] | None = None
        try:
            async with asyncio.timeout_at(deadline):
                while attempt.status == 0:
                    connection = future = None
                    connection = await self._acquire(attempt)
                    attempt.port = connection.port
                    future = connection.send(request)
                    try:
                        response = await asyncio.shield(future)
                    except NotProcessed as refusal:
                        await attempt.turned_away(refusal)
                        continue
                    if not await attempt.told_to_wait(response):
                        attempt.answered(response, success)
        except TimeoutError as error:
            attempt.failed(error)
            # A TimeoutError of the socket has ended the connection by itself; giving up is no harm.
            self._give_up(connection)
            if future is not None:
                _watch_for_late(future, late)
        except (OSError, EOFError, RequestFailed) as error:
            attempt.failed(error)
        return attempt

    def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._connection is not None:
            self._connection.abort()
