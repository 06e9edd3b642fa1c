"""This machine in place of a host: scripts run in a shell of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from kanae.transport.protocol import Completed, Upload


class LocalTransport:
    host = "localhost"

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        process = await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            script,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(timeout):
            stdout, stderr = await process.communicate(stdin)
        return Completed(process.returncode or 0, stdout, stderr.decode())

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        raise AssertionError(f"no test here uploads: {uploads}")

    async def close(self) -> None:
        """Nothing is held open."""
