"""Where backups are kept: what a folder, a host and an object store have in common."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kanae.backup.name import BackupName


@dataclass(frozen=True, slots=True)
class Kept:
    """A file at a target that is called like a backup. size: bytes."""

    name: BackupName
    size: int


class Target(Protocol):
    """Errors: BackupError, and those of a host for one that is reached by SSH."""

    @property
    def where(self) -> str:
        """As the command line would name it."""
        ...

    @property
    def staging(self) -> Path:
        """A folder of this machine in which files are made before they are put; it exists, and is
        its owner's alone."""
        ...

    async def kept(self) -> list[Kept]:
        """All that is called like a backup, of whatever cluster; nothing where there is no such
        place yet."""
        ...

    async def put(self, file: Path, name: BackupName, sha256: str) -> None:
        """Take a file from the staging folder: it appears there whole or not at all, and has been
        read back when this returns. sha256: of the file, in hex."""
        ...

    def local(self, name: BackupName) -> AbstractAsyncContextManager[Path]:
        """A backup as a file of this machine, for as long as the context lasts."""
        ...

    async def remove(self, name: BackupName) -> None: ...


def newest_first(kept: Iterable[Kept]) -> list[Kept]:
    return sorted(kept, key=lambda each: (each.name.taken, str(each.name)), reverse=True)
