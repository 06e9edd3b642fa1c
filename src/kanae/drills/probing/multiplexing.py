"""HTTP/2: requests share a connection, and each is answered when it is done.

h2 keeps the protocol's state. A server's GOAWAY never reaches it: h2 takes one for the end of the
connection, though the server goes on to answer what it has begun.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from kanae.drills.probing.client import BODY, HttpRequest, NotProcessed, RequestFailed, Response
from kanae.drills.probing.connection import Connection, Link

_BLOCK = 1 << 16
_HEAD = 9  # bytes of a frame's header (RFC 9113, 4.1)
_GOAWAY = 7  # a frame's type (RFC 9113, 6.8)
_STREAM = 0x7FFFFFFF  # the bits of a stream's number
# Validation is of what this module itself sends, which never varies.
_CONFIG = H2Configuration(
    client_side=True,
    header_encoding=None,
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)


@dataclass(frozen=True, slots=True)
class GoAway:
    """The server takes no more requests. last: the highest stream that it has begun or may begin.

    code: why, 0 for no error.
    """

    last: int
    code: int
    text: str


class Frames:
    """A server's bytes, cut where a GOAWAY is."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes, most: int) -> Iterator[bytes | GoAway]:
        """Whole frames but for one under way, and each GOAWAY. most: a frame's longest payload.

        Raises RequestFailed for a longer one.
        """
        data = self._rest + data
        begin = at = 0
        while at + _HEAD <= len(data):
            length = int.from_bytes(data[at : at + 3])
            if length > most:
                raise RequestFailed("malformed", f"a frame of {length} bytes")
            end = at + _HEAD + length
            if end > len(data):
                break
            if data[at + 3] == _GOAWAY and length >= 8:
                if begin < at:
                    yield data[begin:at]
                said = data[at + _HEAD : end]
                last, code = int.from_bytes(said[:4]) & _STREAM, int.from_bytes(said[4:8])
                yield GoAway(last, code, said[8:].decode(errors="replace"))
                begin = end
            at = end
        if begin < at:
            yield data[begin:at]
        self._rest = data[at:]


@dataclass(slots=True)
class _Stream:
    """A request that has been sent. unsent: what flow control holds back of its body."""

    answer: asyncio.Future[Response]
    unsent: bytes
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytearray = field(default_factory=bytearray)


class Multiplexed(Connection):
    """Requests beyond the number that the server takes at once wait their turn here."""

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self._frames = Frames()
        self._streams: dict[int, _Stream] = {}
        self._queue: deque[tuple[HttpRequest, asyncio.Future[Response]]] = deque()
        self._farewell: GoAway | None = None
        self._http = H2Connection(_CONFIG)
        self._http.local_settings = Settings(
            client=True, initial_values={SettingCodes.ENABLE_PUSH: 0}
        )
        self._http.initiate_connection()
        self._push()
        self._listen()

    @property
    def usable(self) -> bool:
        return super().usable and self._farewell is None

    def send(self, request: HttpRequest) -> asyncio.Future[Response]:
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._queue.append((request, future))
        self._push()
        return future

    def _push(self) -> None:
        """Send what may be sent: requests, bodies, and h2's own answers."""
        limit = self._http.remote_settings.max_concurrent_streams
        while self._queue and len(self._streams) < limit:
            request, future = self._queue.popleft()
            number = self._http.get_next_available_stream_id()
            self._http.send_headers(number, _head(request), end_stream=not request.body)
            self._streams[number] = _Stream(future, request.body)
        for number, stream in self._streams.items():
            if stream.unsent:
                self._send_body(number, stream)
        if data := self._http.data_to_send():
            self._writer.write(data)

    def _send_body(self, number: int, stream: _Stream) -> None:
        window = self._http.local_flow_control_window(number)
        while window > 0 and stream.unsent:
            size = min(window, self._http.max_outbound_frame_size)
            part, stream.unsent = stream.unsent[:size], stream.unsent[size:]
            self._http.send_data(number, part, end_stream=not stream.unsent)
            window -= len(part)

    async def _receive(self) -> RequestFailed:
        while data := await self._reader.read(_BLOCK):
            try:
                for piece in self._frames.feed(data, self._http.max_inbound_frame_size):
                    if isinstance(piece, GoAway):
                        self._go_away(piece)
                    else:
                        for event in self._http.receive_data(piece):
                            self._on(event)
                self._push()
            except H2Error as error:
                self._writer.write(self._http.data_to_send())
                detail = f"{type(error).__name__}: {error}"[:200]
                raise RequestFailed("malformed", detail) from None
            if self._farewell and not self._streams:
                break
        said = self._farewell
        why = f" after GOAWAY {said.code} {said.text}".rstrip()[:200] if said else ""
        return RequestFailed("eof", f"connection closed before an answer{why}")

    def _go_away(self, said: GoAway) -> None:
        self._farewell = said
        self._turn_away()
        for number in [number for number in self._streams if number > said.last]:
            _reject(self._streams.pop(number).answer, _unbegun("the server is going away"))

    def _turn_away(self) -> None:
        """What has not been sent may go over another connection."""
        for _, future in self._queue:
            _reject(future, _unbegun("it was not sent"))
        self._queue.clear()

    def _on(self, event: Event) -> None:
        # Trailers and informational answers say nothing that is wanted here.
        if isinstance(event, DataReceived):
            self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif not isinstance(event, ResponseReceived | StreamEnded | StreamReset):
            return
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        if isinstance(event, ResponseReceived):
            for name, value in event.headers:
                stream.headers[_text(name)] = _text(value)
            stream.status = int(stream.headers[":status"])
        elif isinstance(event, DataReceived):
            stream.body += event.data
            if len(stream.body) > BODY:
                raise RequestFailed("malformed", "an answer without end")
        else:
            del self._streams[event.stream_id]
            if isinstance(event, StreamReset):
                _reject(stream.answer, _reset(event.error_code))
            else:
                self._answered(event.stream_id, stream)

    def _answered(self, number: int, stream: _Stream) -> None:
        if stream.unsent:
            self._http.reset_stream(number, ErrorCodes.CANCEL)
        if not stream.answer.done():
            response = Response(stream.status, stream.headers, bytes(stream.body))
            stream.answer.set_result(response)

    def _fail(self, reason: RequestFailed) -> None:
        for stream in self._streams.values():
            _reject(stream.answer, reason)
        self._streams.clear()
        self._turn_away()

    def retire(self, grace: float) -> None:
        super().retire(grace)
        self._turn_away()


def _head(request: HttpRequest) -> list[tuple[str, str]]:
    fields = [
        (":method", request.method),
        (":scheme", "https"),
        (":authority", request.host),
        (":path", request.path),
        ("user-agent", "kanae-drill"),
        ("accept", "application/json"),
    ]
    if request.body:
        fields += [
            ("content-type", "application/json"),
            ("content-length", str(len(request.body))),
        ]
    return fields


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _unbegun(detail: str) -> NotProcessed:
    return NotProcessed(detail, spaced=True)


def _reset(code: ErrorCodes | int) -> RequestFailed:
    if code == ErrorCodes.REFUSED_STREAM:
        return _unbegun("the server refused the stream")
    name = code.name if isinstance(code, ErrorCodes) else str(code)
    return RequestFailed("reset", f"the server reset the stream: {name}")


def _reject(future: asyncio.Future[Response], reason: RequestFailed) -> None:
    if not future.done():
        future.set_exception(reason)
