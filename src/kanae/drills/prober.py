"""Starting and ending the prober's process."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from types import TracebackType
from typing import Self

from kanae.drills.workload import ProbeConfig
from kanae.errors import CheckFailed

_READY = 60.0
# Outstanding requests, the last write, watches and read-backs each have their own bound.
_FINISH = 300.0
# An interrupted prober still reads back and deletes its namespace.
_END = 60.0


class ProberProcess:
    """`async with ProberProcess(config) as prober: ...; await prober.finish()`."""

    def __init__(self, config: ProbeConfig) -> None:
        self._config = config
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    async def __aenter__(self) -> Self:
        """Raises CheckFailed when the workload cannot be set up."""
        # A session of its own: Ctrl-C is for the orchestrator, which then ends the prober in order.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "kanae.drills.probe",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            await self._tell(self._config.encode())
            said = await self._hear(_READY)
        except BaseException:
            await self._end()
            raise
        if said != "ready":
            await self._end()
            raise CheckFailed(
                f"the probers cannot reach the cluster: {said or 'they ended at once'}",
                remedy="is the endpoint reachable from this machine? see `kanae status SPEC`",
            )
        return self

    async def _tell(self, line: bytes) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):  # what a dead prober failed at is heard below
                self._process.stdin.write(line + b"\n")
                await self._process.stdin.drain()

    async def _hear(self, within: float) -> str:
        """The next line it says; "" when it has ended."""
        if self._process is None or self._process.stdout is None:
            return ""
        try:
            async with asyncio.timeout(within):
                return (await self._process.stdout.readline()).decode().strip()
        except TimeoutError:
            return f"no word within {within:g} s"

    async def finish(self) -> None:
        """Stop the workload, and wait until it has read everything back. Raises CheckFailed."""
        await self._tell(b"finish")
        said = await self._hear(_FINISH)
        if said != "finished":
            raise CheckFailed(
                f"the prober did not finish: {said or 'it died'}",
                remedy="the history so far can be read with `kanae drill check FILE`",
            )

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_END):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()
