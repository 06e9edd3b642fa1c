"""One run as a process of its own, for a test that kills it: arguments are JSON on stdin."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from drill_cluster import FilePower, spec_of
from drill_setting import setting_of

from kanae.drills.running.orchestrator import Orchestrator
from kanae.transport.protocol import Completed


class RemoteHost:
    """Answers what the parent process put into a file beforehand."""

    def __init__(self, host: str, answers: dict[str, str]) -> None:
        self.host = host
        self._answers = answers

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        found = next((text for word, text in self._answers.items() if word in script), "")
        return Completed(0, found.encode(), "")

    async def upload(self, uploads: object, *, timeout: float = 600.0) -> None:
        raise AssertionError(f"nothing is uploaded here: {uploads}")

    async def close(self) -> None:
        """Nothing is open."""


async def main() -> None:
    given = json.loads(sys.stdin.read())
    spec = spec_of(*given["spec"])
    setting = await setting_of(
        spec,
        FilePower(Path(given["power"])),
        lambda host: RemoteHost(host, given["answers"]),
        Path(given["folder"]),
        hold=60,
    )
    await Orchestrator(setting).run()


if __name__ == "__main__":
    asyncio.run(main())
