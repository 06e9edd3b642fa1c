"""The prober's standard input and output. Part of the prober, so of the standard library only.

Input, a line each: the configuration (JSON); `ping WORD`, at any time, answered by `pong WORD T`
with T the monotonic clock; `finish`. The end of input means that the orchestrator is gone, and does
the same as `finish`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable

_LIMIT = 1 << 24  # bytes of the configuration


class Output:
    """Writes without ever holding up the event loop: what its reader does not take is kept.

    A reader that is gone is no error: what is written is then dropped.
    """

    def __init__(self, descriptor: int) -> None:
        self._fd = descriptor
        self._waiting = bytearray()
        self._loop = asyncio.get_running_loop()
        self._empty = asyncio.Event()
        self._empty.set()
        self._gone = False
        os.set_blocking(descriptor, False)

    def say(self, text: str) -> None:
        self.put(f"{text}\n".encode())

    def put(self, data: bytes) -> None:
        if self._gone:
            return
        if not self._waiting:
            data = data[self._write(data) :]
            if data and not self._gone:
                self._empty.clear()
                self._loop.add_writer(self._fd, self._go_on)
        self._waiting += data

    def _write(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError:
            self._gone = True
            return len(data)

    def _go_on(self) -> None:
        del self._waiting[: self._write(self._waiting)]
        if not self._waiting:
            self._loop.remove_writer(self._fd)
            self._empty.set()

    async def flush(self, within: float) -> None:
        """Wait until everything has been taken, `within` seconds at most."""
        try:
            async with asyncio.timeout(within):
                await self._empty.wait()
        except TimeoutError:
            return


class Orders:
    """What the orchestrator says."""

    def __init__(self, reader: asyncio.StreamReader, output: Output) -> None:
        self._reader = reader
        self._output = output
        self.finish = asyncio.Event()

    @classmethod
    async def open(cls, output: Output) -> Orders:
        """On standard input."""
        reader = asyncio.StreamReader(limit=_LIMIT)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        return cls(reader, output)

    async def next(self, silence: float = 0.0) -> bytes:
        """The next line that is no ping; b"" at the end.

        Raises TimeoutError after nothing at all has come for `silence` seconds, 0 for never.
        """
        while True:
            async with asyncio.timeout(silence or None):
                line = await self._reader.readline()
            word, _, rest = line.strip().partition(b" ")
            if word != b"ping":
                return line.strip()
            self._output.say(f"pong {rest.decode()} {time.monotonic()!r}")

    async def listen(self, silence: float, lost: Callable[[str], None]) -> None:
        """Set `finish` when it is time. lost: called with the reason when nobody said so."""
        try:
            while line := await self.next(silence):
                if line == b"finish":
                    break
            else:
                lost("the orchestrator is gone")
        except TimeoutError:
            lost(f"nothing was heard from the orchestrator for {silence:g} s")
        self.finish.set()
