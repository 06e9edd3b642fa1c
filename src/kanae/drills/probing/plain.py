"""Questions without TLS, each over a TCP connection of its own: to the cluster's DNS, and to the
kubelet of a host that no fault touches, for what the way there costs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kanae.drills.probing.client import HttpRequest, RequestFailed, Route
from kanae.drills.probing.lanes import Attempt
from kanae.drills.probing.pipelining import encode

_HEALTH = "/healthz"
# RFC 1035: type A, class IN; recursion desired, as every stub resolver asks.
_ADDRESS, _INTERNET, _RECURSE = 1, 1, 0x0100
_HEAD = 12  # bytes of a message's header


@dataclass(frozen=True, slots=True)
class Question:
    """asked: as it is sent. hear: reads the answer; raises RequestFailed when it is none."""

    asked: bytes
    hear: Callable[[asyncio.StreamReader], Awaitable[None]]


def lookup(name: str, number: int) -> Question:
    """The address of a name, over TCP (RFC 7766). number: 16 bits that come back."""

    async def hear(reader: asyncio.StreamReader) -> None:
        length = int.from_bytes(await reader.readexactly(2))
        message = await reader.readexactly(length)
        flags, answers = int.from_bytes(message[2:4]), int.from_bytes(message[6:8])
        if length < _HEAD or int.from_bytes(message[:2]) != number or not flags & 0x8000:
            raise RequestFailed("malformed", f"no answer to the question: {message[:_HEAD].hex()}")
        if flags & 0xF or not answers:
            raise RequestFailed("malformed", f"DNS code {flags & 0xF}, {answers} answers")

    labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b"."))
    head = b"".join(part.to_bytes(2) for part in (number, _RECURSE, 1, 0, 0, 0))
    message = head + labels + b"\0" + _ADDRESS.to_bytes(2) + _INTERNET.to_bytes(2)
    return Question(len(message).to_bytes(2) + message, hear)


def ping(route: Route) -> Question:
    """A kubelet's health. Whatever it says of itself, that it answers is what is asked for."""

    async def hear(reader: asyncio.StreamReader) -> None:
        line = await reader.readline()
        if not line:
            raise EOFError("connection closed before an answer")
        if not line.startswith(b"HTTP/1."):
            raise RequestFailed("malformed", f"no HTTP status line: {line[:60]!r}")

    host = f"{route.server_name}:{route.port}"
    return Question(encode(HttpRequest("GET", _HEALTH, host), last=True), hear)


async def ask(route: Route, question: Question, deadline: float) -> Attempt:
    """deadline: on the event loop's clock."""
    attempt = Attempt()
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout_at(deadline):
            begun = time.monotonic()
            reader, writer = await asyncio.open_connection(route.address, route.port)
            attempt.handshake = time.monotonic() - begun
            writer.write(question.asked)
            await question.hear(reader)
            attempt.outcome = "ok"
    except (OSError, EOFError, ValueError, RequestFailed) as error:
        attempt.failed(error)
    if writer is not None:
        name: tuple[str, int] | None = writer.get_extra_info("sockname")
        attempt.port = name[1] if name else 0
        writer.transport.abort()
    return attempt
