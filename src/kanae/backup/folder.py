"""Backups in a folder of this machine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from kanae.backup import archive, name
from kanae.backup.name import BackupName
from kanae.backup.target import Kept
from kanae.errors import BackupBroken, BackupError


class FolderTarget:
    """A `kanae.backup.target.Target`. path: made when something is put there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.where = str(path)

    @property
    def staging(self) -> Path:
        """The folder itself: a large file then only has to be renamed."""
        try:
            self._path.mkdir(parents=True, mode=0o700, exist_ok=True)
        except OSError as error:
            raise self._failed("make the folder", error) from None
        return self._path

    async def kept(self) -> list[Kept]:
        return await asyncio.to_thread(self._kept)

    def _kept(self) -> list[Kept]:
        try:
            with os.scandir(self._path) as entries:
                return [
                    Kept(found, entry.stat(follow_symlinks=False).st_size)
                    for entry in entries
                    if entry.is_file(follow_symlinks=False)
                    and (found := name.parse(entry.name)) is not None
                ]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failed("read", error) from None

    async def put(self, file: Path, name: BackupName, sha256: str) -> None:
        await asyncio.to_thread(self._put, file, name, sha256)

    def _put(self, file: Path, name: BackupName, sha256: str) -> None:
        kept = self._path / str(name)
        try:
            _forget(file)
            found = archive.sha256(file)
            if found != sha256:
                raise BackupBroken(
                    f"{file} does not read back as it was written: sha256 {found} for {sha256}",
                    remedy="see that disk and this machine's memory; then make the backup again",
                )
            file.replace(kept)
            _sync(self._path)
        except OSError as error:
            raise self._failed(f"keep {name}", error) from None

    @asynccontextmanager
    async def local(self, name: BackupName) -> AsyncGenerator[Path, None]:
        yield self._path / str(name)

    async def remove(self, name: BackupName) -> None:
        try:
            (self._path / str(name)).unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(f"remove {name}", error) from None

    def _failed(self, what: str, error: OSError) -> BackupError:
        return BackupError(
            f"{self._path}: cannot {what}: {error.strerror}",
            remedy="see the folder's owner, mode and free space, or choose another one",
        )


def _forget(file: Path) -> None:
    """Have it read from the disk again, not from memory; where that cannot be had, from memory."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
