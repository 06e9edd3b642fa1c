"""Streams that a backup is read through: hashed on the way, decrypted where it is encrypted."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from kanae.backup.model import GET_ANOTHER
from kanae.errors import BackupBroken, BackupError, BackupLocked

if TYPE_CHECKING:
    from kanae.backup.keys import Identity

CHUNK: Final = 1 << 20


class Source(Protocol):
    def read(self, size: int, /) -> bytes:
        """Fewer bytes than asked for only at the end."""
        ...


class Hashed(io.BufferedIOBase):
    """What is read from a file, hashed on the way."""

    def __init__(self, stream: io.BufferedReader) -> None:
        super().__init__()
        self.raw = stream
        self._digest = hashlib.sha256()

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = self.raw.read(size)
        self._digest.update(chunk)
        return chunk

    def rest(self) -> str:
        """The digest of all of it, in hex."""
        while self.read(CHUNK):
            pass
        return self._digest.hexdigest()


class Decrypting:
    """The library pushes what it decrypts, and archives are pulled: a pipe lies between them."""

    def __init__(self, file: Path, stream: Hashed, identities: Sequence[Identity]) -> None:
        self._file = file
        self._failure: BackupError | None = None
        out, into = os.pipe()
        self._out = os.fdopen(out, "rb")
        self._thread = threading.Thread(target=self._decrypt, args=(stream, into, identities))
        self._thread.start()

    def _decrypt(self, stream: Hashed, into: int, identities: Sequence[Identity]) -> None:
        import pyrage

        try:
            with os.fdopen(into, "wb") as pipe:
                pyrage.decrypt_io(stream, pipe, identities)
        except pyrage.DecryptError as error:
            self._failure = self._told(str(error))
        except OSError as error:  # also when nobody reads on
            self._failure = damaged(self._file, str(error))

    def _told(self, said: str) -> BackupError:
        if "No matching keys" not in said:
            return damaged(self._file, said)
        return BackupLocked(
            f"{self._file} is encrypted for others: no private key given opens it",
            remedy="--identity-file with a private key of one of backup.recipients; if it is that,"
            " the beginning of the file is damaged",
        )

    def read(self, size: int, /) -> bytes:
        chunk = self._out.read(size)
        if len(chunk) < size:
            self._thread.join()
            if self._failure is not None:
                raise self._failure
        return chunk

    def close(self) -> None:
        with suppress(OSError):
            self._out.close()
        self._thread.join()


def damaged(file: Path, what: str) -> BackupBroken:
    """what: is wrong with it."""
    return BackupBroken(f"{file} is damaged or cut short: {what}", remedy=GET_ANOTHER)
