"""Files that appear whole or not at all: written beside, flushed to the disk, renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Generator
from pathlib import Path
from typing import IO

# The end of the name that a file has until it is complete; a killed process leaves it behind.
PART = ".part"


@contextlib.contextmanager
def written(file: Path, mode: int = 0o666) -> Generator[IO[bytes], None, None]:
    """A stream whose bytes replace `file` at the end of the block; nothing does after an error.

    mode: of the file, less what the umask takes from it.

    Readers see the old or the new bytes, never a part of them: also when the process is killed,
    and, since the bytes are on the disk before the name is, when the machine loses its power.
    """
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}{PART}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(file: Path, text: str) -> None:
    """Replace a small file, see `written`."""
    with written(file) as stream:
        stream.write(text.encode())
