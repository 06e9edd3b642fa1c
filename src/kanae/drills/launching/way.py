"""The way into the cluster's own network: by a host's sshd, for those who ask as a pod does.

What a node's sshd opens a connection to for somebody else (a `direct-tcpip` channel) goes through
that node's kube-proxy, like any process of the node: nothing has to be installed or run there.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from kanae.drills.children import kill
from kanae.drills.launching.forwarder import Forwards
from kanae.drills.probing.client import Route
from kanae.environment import inherited
from kanae.errors import CheckFailed
from kanae.transport.settings import Reach

_OPENED = 60.0
_LOCAL = "127.0.0.1"


class Way(Protocol):
    """host: whose network it is. ends: what is asked, by the addresses that it has from there."""

    @property
    def host(self) -> str: ...

    @property
    def ends(self) -> tuple[Route, ...]: ...

    def open(self, lost: Callable[[str], None]) -> AbstractAsyncContextManager[tuple[Route, ...]]:
        """`ends` by the addresses that the prober reaches them at. lost: called with the reason
        when the way breaks while it is open. Raises CheckFailed when it cannot be opened.
        """
        ...


@dataclass(frozen=True, slots=True)
class Direct:
    """For a prober on that host itself."""

    host: str
    ends: tuple[Route, ...]

    @asynccontextmanager
    async def open(self, lost: Callable[[str], None]) -> AsyncGenerator[tuple[Route, ...]]:
        yield self.ends


@dataclass(frozen=True, slots=True)
class Forwarded:
    """reach: of the host. prober: of the host that the prober runs on, None for this machine:
    its sshd then listens there, and what comes goes by way of this machine.
    """

    host: str
    ends: tuple[Route, ...]
    reach: Reach
    prober: Reach | None = None

    @asynccontextmanager
    async def open(self, lost: Callable[[str], None]) -> AsyncGenerator[tuple[Route, ...]]:
        # A process of its own: the orchestrator's work must not hold up what passes through.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "kanae.drills.launching.forwarder",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=inherited(),
            start_new_session=True,
        )
        watching: asyncio.Task[None] | None = None
        try:
            ports = await self._ports(process)
            watching = asyncio.create_task(self._watch(process, lost))
            yield tuple(
                replace(end, address=_LOCAL, port=port)
                for end, port in zip(self.ends, ports, strict=True)
            )
        finally:
            if watching is not None:
                watching.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watching
            kill(process)
            await process.wait()

    async def _ports(self, process: asyncio.subprocess.Process) -> Sequence[int]:
        forwards = Forwards(
            self.reach, tuple((end.address, end.port) for end in self.ends), self.prober
        )
        said, otherwise = b"", f"no word within {_OPENED:g} s"
        if process.stdin is not None and process.stdout is not None:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(_OPENED):
                    process.stdin.write(forwards.encode() + b"\n")
                    said = (await process.stdout.readline()).strip()
                    otherwise = "its process ended"
        word, _, rest = said.decode(errors="replace").partition(" ")
        if word != "ready":
            raise CheckFailed(
                f"no way inside through {self.host}: {rest or otherwise}",
                remedy="sshd there must allow TCP forwarding (AllowTcpForwarding);"
                " or another --inside HOST, or --inside none",
            )
        return [int(port) for port in rest.split()]

    async def _watch(
        self, process: asyncio.subprocess.Process, lost: Callable[[str], None]
    ) -> None:
        if process.stdout is not None:
            said = (await process.stdout.readline()).decode(errors="replace").strip()
            why = said.removeprefix("lost ") or "its process ended"
            lost(f"the way inside through {self.host} was lost: {why}")
