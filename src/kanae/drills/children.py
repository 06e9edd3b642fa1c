"""Programs of this machine that asyncio has started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal


def kill(process: asyncio.subprocess.Process) -> None:
    """SIGKILL, also when it has ended in the meantime.

    Not by way of its own `kill()`: that first asks whether it has ended (bpo-38630), and so takes
    the exit status of one that just did from asyncio, which waits for it in a thread and then
    complains of an unknown child. What asyncio has not reported yet is at least a zombie, or was
    until now, so that its pid is not another process's.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
