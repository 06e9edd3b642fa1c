"""SSH servers that play many hosts: each answers the script of facts with a prepared text.

    python bench/simulated_hosts.py FOLDER

One process, one real asyncssh server for each host on an address of its own in 127.0.0.0/8: key
exchange, authentication, channels and the bytes of every answer are real; what a host would do to
find the answer out is not. FOLDER: hosts.json (name -> listening address), answers/NAME, host_key,
operator.pub. Says "ready" when all listen, ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from pathlib import Path

import asyncssh

PORT = 2222
# In an answer, in place of the host's clock.
CLOCK = b"@CLOCK@"
_MARK = re.compile(r"KANAE_RUN=(\S+)")
_COUNT = re.compile(r"count=(\d+)")


class Host:
    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    async def handle(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """As `kanae.transport.remote` has it: the script comes first on standard input, a mark
        goes first on both outputs."""
        command = process.command or ""
        mark, count = _MARK.search(command), _COUNT.search(command)
        if mark is None or count is None:
            process.exit(127)
            return
        await process.stdin.readexactly(int(count[1]))
        line = mark[1].encode() + b"\n"
        process.stderr.write(line)
        process.stdout.write(line + self._answer.replace(CLOCK, b"%.9f" % time.time()))
        process.exit(0)


async def serve(folder: Path) -> None:
    hosts: dict[str, str] = json.loads((folder / "hosts.json").read_text())
    for name, address in hosts.items():
        host = Host((folder / "answers" / name).read_bytes())
        await asyncssh.listen(
            address,
            PORT,
            server_host_keys=[str(folder / "host_key")],
            authorized_client_keys=str(folder / "operator.pub"),
            process_factory=host.handle,
            encoding=None,
            gss_host=None,
        )
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
