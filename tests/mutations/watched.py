"""What this process does to the world while it reads an input, by Python's own audit events."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_STARTING: Final = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"}
)
# Event -> how many of its first arguments are paths that it changes.
_CHANGING: Final = {
    "os.remove": 1, "os.rename": 2, "os.mkdir": 1, "os.rmdir": 1, "os.link": 2, "os.symlink": 2,
    "os.chmod": 1, "os.chown": 1, "os.truncate": 1, "os.utime": 1, "shutil.rmtree": 1,
}  # fmt: skip


class Offline(OSError):
    """There is no network here."""


class Watch:
    """folders: what may be changed. done: what was, besides, and programs that were started."""

    def __init__(self) -> None:
        self.folders: tuple[str, ...] = ()
        self.done: list[str] = []
        self._on = False
        sys.addaudithook(self._event)  # for the life of the process

    @contextmanager
    def over(self, *folders: Path) -> Generator[list[str]]:
        self.folders = (*map(str, folders), "/dev/null")
        self.done = []
        self._on = True
        try:
            yield self.done
        finally:
            self._on = False

    def _event(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._on:
            return
        if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto"}:
            raise Offline(event)
        if event in _STARTING:
            self.done.append(f"{event} {arguments!r}")
        elif event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITING:
                self._changes(event, path)
        else:
            for path in arguments[: _CHANGING.get(event, 0)]:
                self._changes(event, path)

    def _changes(self, event: str, path: object) -> None:
        if not isinstance(path, str | bytes | Path):
            return  # a file that is open already
        there = os.path.realpath(os.fsdecode(path))
        if not there.startswith(self.folders):
            self.done.append(f"{event} {there}")
