"""The operator's own machine, by the same protocol, without SSH and as the operator's user."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Sequence
from typing import cast

from kanae.errors import StepTimedOut
from kanae.transport.files import Progress, send_script, upload_batches
from kanae.transport.protocol import Completed, Upload
from kanae.transport.remote import KILL_AFTER, Run


class LocalTransport:
    """Files get their owner only when this process is root, as only root can give it."""

    host = "localhost"

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        async def whole() -> AsyncIterator[bytes]:
            yield stdin

        return await self._run(script, whole(), timeout)

    async def upload(
        self,
        uploads: Sequence[Upload],
        *,
        timeout: float = 600.0,
        progress: Progress | None = None,
    ) -> None:
        for batch in upload_batches(uploads):
            script = send_script(batch, owners=os.geteuid() == 0)
            batch.check(self.host, await self._run(script, batch.chunks(progress), timeout))

    async def close(self) -> None:
        """Nothing is held open."""

    async def _run(self, script: str, data: AsyncIterator[bytes], timeout: float) -> Completed:
        run = Run(f"local/{secrets.token_hex(4)}", script, timeout)
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *run.program.split(), "sh", "-c", run.boot,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        sending = asyncio.ensure_future(_send(process, run.preamble, data))
        try:
            stdout, stderr = await _collect(process)
            status = await process.wait()
        except asyncio.CancelledError:
            await asyncio.shield(_end(process))
            raise
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
        status = status if status >= 0 else 128 - status
        if run.timed_out(status, time.monotonic() - began):
            raise StepTimedOut(
                self.host,
                f"a command did not end within {timeout:g} s and was ended",
                remedy="see what holds this machine up (load, disk), then run it again",
            )
        return run.completed(status, stdout, stderr)


async def _send(
    process: asyncio.subprocess.Process, preamble: bytes, data: AsyncIterator[bytes]
) -> None:
    stdin = cast("asyncio.StreamWriter", process.stdin)
    # A script may end without reading all of its input.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(preamble)
        async for chunk in data:
            stdin.write(chunk)
            await stdin.drain()
        stdin.close()


async def _collect(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    out = cast("asyncio.StreamReader", process.stdout)
    err = cast("asyncio.StreamReader", process.stderr)
    stdout, stderr = await asyncio.gather(out.read(), err.read())
    return stdout, stderr


async def _end(process: asyncio.subprocess.Process) -> None:
    """`timeout` passes SIGTERM on to all of its group."""
    for number, patience in ((signal.SIGTERM, KILL_AFTER), (signal.SIGKILL, 2)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await process.wait()
                return
