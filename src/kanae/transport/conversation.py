"""A program on a host that is talked with while it runs, line by line, in both directions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from kanae.errors import HostError

if TYPE_CHECKING:
    import asyncssh

_BLOCK = 1 << 16
_TAIL = 4000  # bytes of standard error that are kept


class Conversation(Protocol):
    """Errors: ConnectionLost when the connection breaks; ConnectError kinds when the script was not
    started, as when sudo refuses."""

    async def send(self, data: bytes) -> None:
        """Returns once there is room for more. What a program that ended misses is no error."""
        ...

    async def line(self) -> bytes:
        """The next line without its end; b"" when the program has ended."""
        ...

    def close_input(self) -> None: ...

    @property
    def errors(self) -> str:
        """The end of what it wrote to standard error."""
        ...

    async def close(self) -> None:
        """Give it up at once. The program may go on; nobody hears of it."""
        ...


class Stream(Conversation, Protocol):
    """One that may hand over more than lines, and tells how it ended."""

    async def block(self) -> bytes:
        """Bytes as they come, for what is not lines, after the last line that was read; b"" when
        the program has ended."""
        ...

    @property
    def status(self) -> int | None:
        """Its exit status; None while it has not been seen to end."""
        ...


class Conversant(Protocol):
    """A host on which a program can be talked with."""

    async def converse(self, script: str, *, mark: str, timeout: float) -> Stream:
        """Start a POSIX sh script. mark: what its processes carry in their environment, ending
        with `/`, by which `end_script` finds them. timeout: seconds, after which the host ends it.
        """
        ...


class Judge(Protocol):
    """Who knows what the end of a session means: the transport that opened it."""

    def lost(self) -> HostError: ...

    def status_of(self, process: asyncssh.SSHClientProcess[bytes]) -> int:
        """Raises what `lost` gives when the connection broke."""
        ...

    def not_started(self, stdout: bytes, stderr: bytes, status: int) -> HostError: ...


class SshConversation:
    """Over one session of an SSH connection."""

    def __init__(
        self,
        process: asyncssh.SSHClientProcess[bytes],
        mark: str,
        judge: Judge,
        done: Callable[[], None],
    ) -> None:
        """mark: the line that tells that the script has started. done: called once, at the end."""
        self._process = process
        self._mark = mark.encode()
        self._judge = judge
        self._done = done
        self._buffer = bytearray()
        self._began = False
        self._noise = b""
        self._closed = False
        self._errors = bytearray()
        self.status: int | None = None
        self._draining = asyncio.create_task(self._drain())

    @property
    def errors(self) -> str:
        return self._errors.decode(errors="replace").rpartition(self._mark.decode() + "\n")[2]

    async def send(self, data: bytes) -> None:
        import asyncssh

        with contextlib.suppress(OSError, asyncssh.Error):  # the end is told by `line`
            self._process.stdin.write(data)
            await self._process.stdin.drain()

    def close_input(self) -> None:
        with contextlib.suppress(OSError):
            self._process.stdin.write_eof()

    async def line(self) -> bytes:
        while True:
            found = await self._any_line()
            if self._began or not found:
                return found
            # What a talkative shell start-up file printed comes before the mark.
            self._began = found == self._mark
            self._noise = found

    async def block(self) -> bytes:
        if not self._buffer:
            return await self._more()
        block, self._buffer = bytes(self._buffer), bytearray()
        return block

    async def _any_line(self) -> bytes:
        while True:
            line, end, rest = self._buffer.partition(b"\n")
            if end:
                self._buffer = rest
                if line:
                    return bytes(line)
                continue
            block = await self._more()
            if not block:
                return b""
            self._buffer += block

    async def _more(self) -> bytes:
        import asyncssh

        try:
            block = await self._process.stdout.read(_BLOCK)
        except (OSError, asyncssh.Error) as error:
            raise self._judge.lost() from error
        if not block:
            await self._ended()
        return block

    async def _ended(self) -> None:
        await self._process.wait_closed()
        await self._draining
        self.status = self._judge.status_of(self._process)
        if not self._began:
            raise self._judge.not_started(self._noise, bytes(self._errors), self.status)

    async def _drain(self) -> None:
        import asyncssh

        with contextlib.suppress(OSError, asyncssh.Error):
            while block := await self._process.stderr.read(_BLOCK):
                self._errors = (self._errors + block)[-_TAIL:]

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._process.close()
        self._draining.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._draining
        self._done()
