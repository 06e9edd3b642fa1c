"""Processes that are known by pid and start time, so that a reused pid is never taken for one."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


def start_time(pid: int) -> int | None:
    """Clock ticks from boot to the process's start (proc(5), stat field 22).

    None when there is no such process or only its zombie is left.
    """
    # A child of this very process stays a zombie until it is waited for.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The command name, in parentheses, may hold spaces and parentheses itself.
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


@dataclass(frozen=True, slots=True)
class Process:
    """pid and start (clock ticks since boot): together unique until the machine reboots."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        start = start_time(pid)
        return None if start is None else cls(pid, start)

    @property
    def alive(self) -> bool:
        return start_time(self.pid) == self.start

    @property
    def is_init(self) -> bool:
        """Whether it is PID 1 of a namespace below this one."""
        with contextlib.suppress(OSError):
            for line in (_PROC / str(self.pid) / "status").read_text().splitlines():
                if line.startswith("NSpid:"):
                    return len(line.split()) > 2 and line.split()[-1] == "1"
        return False

    def children(self) -> tuple[Process, ...]:
        """Direct children, empty when the process is gone."""
        if not self.alive:
            return ()
        found: list[Process] = []
        with contextlib.suppress(OSError):
            pids = (_PROC / str(self.pid) / "task" / str(self.pid) / "children").read_text()
            found = [child for pid in pids.split() if (child := Process.of(int(pid)))]
        return tuple(found)

    def signal(self, number: signal.Signals | int) -> bool:
        """Send a signal through a pidfd; False when the process is already gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # Checked after the pidfd is open: from here on it cannot become another process.
            if not self.alive:
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True
