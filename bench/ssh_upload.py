"""Throughput of uploads to several hosts at once over a real sshd on this machine.

    python bench/ssh_upload.py [--mb 400] [--hosts 4]

The same bytes go to every host by `SshTransport.upload` and, as the mark, by `cat | ssh`. All
"hosts" and the sender share this machine's cores: only ratios mean anything.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "contract"))

from contract_sshd import Sshd, running

from kanae.transport.connect import Jumps
from kanae.transport.protocol import Upload
from kanae.transport.ssh import SshTransport


async def by_transport(sshd: Sshd, source: Path, hosts: int) -> float:
    transports = [
        SshTransport(replace(sshd.reach, host=f"h{n}"), jumps=Jumps()) for n in range(hosts)
    ]
    await asyncio.gather(*(transport.connect() for transport in transports))
    began = time.monotonic()
    await asyncio.gather(
        *(
            transport.upload([Upload(str(sshd.folder / f"to-{transport.host}"), source)])
            for transport in transports
        )
    )
    took = time.monotonic() - began
    await asyncio.gather(*(transport.close() for transport in transports))
    return took


async def by_ssh(sshd: Sshd, source: Path, hosts: int) -> float:
    async def one(number: int) -> None:
        with source.open("rb") as data:
            process = await asyncio.create_subprocess_exec(
                "ssh", "-F", "none", "-p", str(sshd.port), "-i", str(sshd.folder / "id"),
                "-c", "aes128-gcm@openssh.com",
                "-o", f"UserKnownHostsFile={sshd.folder}/known_hosts", "root@127.0.0.1",
                f"cat > {sshd.folder}/by-ssh-{number}", stdin=data,
            )  # fmt: skip
            assert await process.wait() == 0

    began = time.monotonic()
    await asyncio.gather(*(one(number) for number in range(hosts)))
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=400)
    parser.add_argument("--hosts", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, running(Path(folder)) as sshd:
        source = Path(folder) / "source"
        with source.open("wb") as out:
            for _ in range(given.mb):
                out.write(os.urandom(1 << 20))
        for name, way in (("cat | ssh", by_ssh), ("transport", by_transport)):
            seconds = asyncio.run(way(sshd, source, given.hosts))
            rate = given.mb * given.hosts / seconds
            print(f"{name}: {seconds:.2f} s, {rate:.0f} MB/s in all")


if __name__ == "__main__":
    main()
