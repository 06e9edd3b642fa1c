"""An operator whose prober runs on a host, for a test that kills it: told by standard input."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from contract_sshd import Sshd

from kanae.drills.launching.place import There, find_python
from kanae.drills.launching.process import ProberProcess
from kanae.drills.probing.workload import ProbeConfig
from kanae.drills.probing.writing import Writer


async def main() -> None:
    given = json.loads(sys.stdin.readline())
    config = ProbeConfig.decode(sys.stdin.readline().encode())
    transport = Sshd(Path(given["folder"]), given["port"], given["pid"]).transport()
    place = There(transport, given["run"], await find_python(transport))
    async with ProberProcess(config, place, Writer(Path(config.history))) as prober:
        await prober.watch()


if __name__ == "__main__":
    asyncio.run(main())
