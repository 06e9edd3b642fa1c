"""A host whose scripts a real shell of this machine runs, with a folder in place of its root."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kanae.transport.protocol import Completed, Upload

# Paths of ours that scripts name; the folder is put before them.
OURS = ("/run/kanae", "/var/lib/kanae", "/etc/kubernetes")


@dataclass
class ShellHost:
    """programs: a folder that comes first in PATH. pids: of shells that run now."""

    name: str
    folder: Path
    pids: list[int] = field(default_factory=list[int])

    @property
    def host(self) -> str:
        return self.name

    @property
    def programs(self) -> Path:
        return self.folder / "bin"

    def path(self, there: str) -> Path:
        return self.folder / there.lstrip("/")

    def program(self, name: str, script: str) -> None:
        self.programs.mkdir(parents=True, exist_ok=True)
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}")
        path.chmod(0o755)

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        for path in OURS:
            script = script.replace(path, f"{self.folder}{path}")
        self.folder.mkdir(parents=True, exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            script,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                **os.environ,
                "LC_ALL": "C",
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                "KANAE_RUN": "run-of-a-test",
            },
        )
        self.pids.append(process.pid)
        try:
            out, error = await process.communicate(stdin)
        finally:
            self.pids.remove(process.pid)
        return Completed(process.returncode or 0, out, error.decode())

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        raise AssertionError(f"no test here uploads: {uploads}")

    async def close(self) -> None: ...
