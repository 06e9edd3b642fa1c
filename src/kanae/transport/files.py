"""Writing files on a host: many small ones in one round trip, big ones streamed and verified.

Every file is written beside its target under a hidden name, gets mode and owner, is flushed to
disk, and only then takes its name: nobody sees half a file, not even after a power cut. All files
of a batch change names together at the end, so a full disk leaves the old ones as they were.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shlex
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kanae.errors import step_failed
from kanae.transport.protocol import Completed, Upload

# Bytes sent so far and in all, of one batch.
Progress = Callable[[int, int], None]

# Files from this size on go alone, and the host proves what it got with sha256.
BIG = 8 << 20
# Small files are collected up to this many bytes or files a round trip.
BATCH_BYTES = 16 << 20
BATCH_FILES = 500
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Files of one round trip. sizes: in bytes, as they will be sent. salt: of temporary names."""

    uploads: tuple[Upload, ...]
    sizes: tuple[int, ...]
    salt: str

    @property
    def verified(self) -> bool:
        return self.sizes[0] >= BIG

    @property
    def total(self) -> int:
        return sum(self.sizes)

    async def chunks(self, progress: Progress | None = None) -> AsyncIterator[bytes]:
        sent = 0
        digest = hashlib.sha256() if self.verified else None
        for upload, size in zip(self.uploads, self.sizes, strict=True):
            async for chunk in _read(upload.source, size):
                if digest is not None:
                    digest.update(chunk)
                yield chunk
                sent += len(chunk)
                if progress is not None:
                    progress(sent, self.total)
        if digest is not None:
            yield f"{digest.hexdigest()}\n".encode()

    def check(self, host: str, done: Completed) -> None:
        """Raise StepFailed naming the files and, where known, what to do."""
        if done.status == 0:
            return
        names = ", ".join(upload.path for upload in self.uploads[:3])
        more = f" and {len(self.uploads) - 3} more" if len(self.uploads) > 3 else ""
        raise step_failed(host, f"write {names}{more}", done.status, done.stderr)

    def temporary(self, upload: Upload) -> str:
        path = PurePosixPath(upload.path)
        return str(path.parent / f".{path.name[:200]}.kanae-{self.salt}")


def upload_batches(uploads: Sequence[Upload]) -> Iterator[Batch]:
    """In the given order, except that a file given twice is an error."""
    paths = [upload.path for upload in uploads]
    if len(set(paths)) != len(paths) or not all(path.startswith("/") for path in paths):
        raise ValueError(f"paths to write must be absolute and differ: {paths}")
    small: list[tuple[Upload, int]] = []
    total = 0
    for upload in uploads:
        size = _size(upload.source)
        if size >= BIG:
            yield _batch([(upload, size)])
            continue
        if small and (total + size > BATCH_BYTES or len(small) == BATCH_FILES):
            yield _batch(small)
            small, total = [], 0
        small.append((upload, size))
        total += size
    if small:
        yield _batch(small)


def send_script(batch: Batch) -> str:
    """The script that takes the batch's bytes from standard input, one file after another."""
    pairs = [(upload, batch.temporary(upload)) for upload in batch.uploads]
    folders = sorted({str(PurePosixPath(upload.path).parent) for upload in batch.uploads})
    all_new = _words(new for _, new in pairs)
    lines = [
        "set -u",
        f"undo() {{ rm -f -- {all_new}; exit 1; }}",
        f"umask 022; mkdir -p -- {_words(folders)} || exit 1",
        "umask 077",
        'put() { dd bs=64k count=$2 iflag=fullblock,count_bytes status=none of="$1" || undo; }',
    ]
    lines += [
        f"put {shlex.quote(new)} {size}" for (_, new), size in zip(pairs, batch.sizes, strict=True)
    ]
    sizes = "\n".join(str(size) for size in batch.sizes)
    lines += [
        f"test \"$(stat -c %s -- {all_new})\" = '{sizes}' || "
        "{ echo 'a file arrived cut short' >&2; undo; }"
    ]
    if batch.verified:
        lines += [
            "IFS= read -r want; got=$(sha256sum < " + all_new + "); got=${got%% *}",
            'test "$got" = "$want" || { echo "sha256 is $got, sent was $want" >&2; undo; }',
        ]
    for owner in sorted({upload.owner for upload in batch.uploads} - {""}):
        chosen = _words(new for upload, new in pairs if upload.owner == owner)
        lines.append(f"chown -- {shlex.quote(owner)} {chosen} || undo")
    for mode in sorted({upload.mode for upload in batch.uploads}):
        chosen = _words(new for upload, new in pairs if upload.mode == mode)
        lines.append(f"chmod -- {mode:04o} {chosen} || undo")
    lines.append(f"sync -- {all_new} || undo")
    lines += [f"mv -fT -- {shlex.quote(new)} {shlex.quote(up.path)} || undo" for up, new in pairs]
    lines.append(f"sync -- {_words(folders)} || exit 1")
    return "\n".join(lines)


def _batch(files: Sequence[tuple[Upload, int]]) -> Batch:
    return Batch(
        tuple(upload for upload, _ in files),
        tuple(size for _, size in files),
        secrets.token_hex(4),
    )


def _size(source: bytes | Path) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def _words(words: Iterator[str] | Sequence[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)


async def _read(source: bytes | Path, size: int) -> AsyncIterator[bytes]:
    """Exactly the announced bytes; fewer only when the file shrank, which the host notices."""
    if isinstance(source, bytes):
        yield source
        return
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        left = size
        while left:
            chunk = await asyncio.to_thread(os.read, descriptor, min(CHUNK, left))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk
    finally:
        os.close(descriptor)
