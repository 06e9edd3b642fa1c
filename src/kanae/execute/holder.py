"""Who holds a lease: one process of one machine, and whether it still lives."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from kanae import paths


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease. start: of the process, in clock ticks since boot; with boot and pid it
    names one process of one machine for good. since: Unix time by the holder's clock.
    """

    run: str
    who: str
    boot: str
    pid: int
    start: int
    since: int

    def line(self) -> str:
        return f"{self.who} {self.boot} {self.pid} {self.start} {self.since}"

    @classmethod
    def parse(cls, run: str, line: str) -> Holder:
        """What `line` wrote. Somebody unknown for anything else: held is held."""
        try:
            who, boot, pid, start, since = line.rsplit(maxsplit=4)
            return cls(run, who, boot, int(pid), int(start), int(since))
        except ValueError:
            return cls(run or "unknown", "somebody", "", 0, 0, 0)

    def gone(self) -> bool:
        """Whether its process ran on this machine, since this boot, and is no more."""
        return self.boot == _boot() and _start_of(self.pid) != self.start


def me(run: str) -> Holder:
    who = f"{paths.user()}@{socket.gethostname()}"
    pid = os.getpid()
    return Holder(run, who, _boot(), pid, _start_of(pid) or 0, int(time.time()))


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_of(pid: int) -> int | None:
    """Field 22 of /proc/<pid>/stat, see proc(5); None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
