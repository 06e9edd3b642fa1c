"""How a host answers from the operator's machine, seen from outside: evidence of power faults."""

from __future__ import annotations

import asyncio
from enum import StrEnum


class Answer(StrEnum):
    """GREETS: sshd says its version. MUTE: the kernel accepts a connection, nothing speaks.
    REFUSES: the kernel answers that nothing listens. SILENT: no packet comes back.
    """

    GREETS = "greets"
    MUTE = "mute"
    REFUSES = "refuses"
    SILENT = "silent"


async def ask(address: str, port: int = 22, timeout: float = 2.0) -> Answer:
    """One connection to a host's SSH port, without logging in."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return Answer.REFUSES
    except OSError:
        return Answer.SILENT
    try:
        async with asyncio.timeout(timeout):
            return Answer.GREETS if await reader.read(4) == b"SSH-" else Answer.MUTE
    except OSError:
        return Answer.MUTE
    finally:
        writer.transport.abort()


async def until(
    address: str, wanted: frozenset[Answer], port: int = 22, *, within: float
) -> Answer:
    """The last answer: a wanted one, unless none came in time (seconds)."""
    clock = asyncio.get_running_loop().time
    end = clock() + within
    while True:
        answer = await ask(address, port)
        if answer in wanted or clock() >= end:
            return answer
        await asyncio.sleep(0.2)
