"""Writing a backup: as a stream, complete or not at all. Its form is that of `archive`."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from kanae.artifacts import atomic
from kanae.backup import keys
from kanae.backup.archive import BLOCK
from kanae.backup.model import MANIFEST, SNAPSHOT, Manifest, Stored, from_json, to_json
from kanae.backup.streams import CHUNK
from kanae.errors import BackupBroken, BackupError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def stored(content: bytes, mode: int = 0o600) -> Stored:
    """What a manifest says of a small file."""
    return Stored(hashlib.sha256(content).hexdigest(), len(content), mode)


def write(
    file: Path,
    manifest: Manifest,
    files: Mapping[str, bytes],
    snapshot: Iterable[bytes],
    recipients: Sequence[str] = (),
) -> str:
    """Make a backup, readable by its owner only; it appears when it is complete and on the disk.

    files: contents of manifest.files. snapshot: its bytes in order. recipients: public keys, none
    for a file in the clear. Returns the file's sha256 in hex. BackupBroken when the snapshot is not
    what the manifest says; what reading it raises.
    """
    # What could not be read again must not be written.
    from_json(to_json(manifest), f"what {manifest.snapshot.member} says of its snapshot")
    with atomic.written(file, 0o600) as out:
        hashed = _Hashing(out)
        plain = _Chunks(_sealed(_tar(manifest, files, snapshot)))
        if recipients:
            _encrypt(file, plain, hashed, recipients)
        else:
            while chunk := plain.read(CHUNK):
                hashed.write(chunk)
    return hashed.digest.hexdigest()


def _encrypt(file: Path, plain: _Chunks, out: _Hashing, recipients: Sequence[str]) -> None:
    import pyrage

    try:
        pyrage.encrypt_io(plain, out, keys.recipients(recipients))
    except (pyrage.EncryptError, OSError) as error:
        # The library has words of its own for whatever went wrong on either side of it.
        raise (
            plain.failure or out.failure or BackupError(f"{file} cannot be encrypted: {error}")
        ) from error


def _sealed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    yield f"{digest.hexdigest()}\n".encode()


def _tar(
    manifest: Manifest, files: Mapping[str, bytes], snapshot: Iterable[bytes]
) -> Iterator[bytes]:
    yield from _member(manifest, MANIFEST, to_json(manifest))
    for name in manifest.files:
        yield from _member(manifest, name, files[name])
    yield _header(manifest, SNAPSHOT, manifest.snapshot.size)
    digest, size, own = hashlib.sha256(), 0, _OwnDigest()
    for chunk in snapshot:
        digest.update(chunk)
        own.update(chunk)
        size += len(chunk)
        yield chunk
    if (digest.hexdigest(), size) != (manifest.snapshot.sha256, manifest.snapshot.size):
        raise BackupBroken(
            f"etcd's snapshot did not arrive from {manifest.snapshot.member} as it is there: "
            f"{size} of {manifest.snapshot.size} bytes, sha256 {digest.hexdigest()} for "
            f"{manifest.snapshot.sha256}",
            remedy="run it again; if it stays so, see that host's memory and disk",
        )
    if not own.agrees:
        raise BackupBroken(
            f"etcd's snapshot from {manifest.snapshot.member} does not have the sha256 that etcd "
            "has put at its end",
            remedy="run it again; if it stays so, see that host's memory and disk",
        )
    yield bytes(-size % BLOCK + 2 * BLOCK)


class _OwnDigest:
    """Of the snapshot, as etcd appends it: the sha256 of all before it, in 32 bytes
    (Snapshot of server/etcdserver/api/v3rpc/maintenance.go)."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._last = b""

    def update(self, chunk: bytes) -> None:
        both = self._last + chunk
        end = max(len(both) - self._digest.digest_size, 0)
        self._digest.update(memoryview(both)[:end])
        self._last = both[end:]

    @property
    def agrees(self) -> bool:
        return self._digest.digest() == self._last


def _member(manifest: Manifest, name: str, content: bytes) -> Iterator[bytes]:
    yield _header(manifest, name, len(content))
    yield content + bytes(-len(content) % BLOCK)


def _header(manifest: Manifest, name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(manifest.taken.timestamp())
    # GNU's, which also says sizes of more than eight gigabytes; no name here is longer than a
    # header has room for.
    return info.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")


class _Chunks(io.BufferedIOBase):
    """Chunks of any size, read as a file. failure: what making them raised."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = b""
        self.failure: BaseException | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            while not self._rest:
                self._rest = next(self._chunks)
        except StopIteration:
            return b""
        except BaseException as error:
            self.failure = error
            raise
        end = len(self._rest) if size is None or size < 0 else size
        chunk, self._rest = self._rest[:end], self._rest[end:]
        return chunk


class _Hashing(io.BufferedIOBase):
    """A file that is hashed while it is written. failure: what writing it raised."""

    def __init__(self, out: IO[bytes]) -> None:
        super().__init__()
        self._out = out
        self.digest = hashlib.sha256()
        self.failure: BaseException | None = None

    def write(self, chunk: ReadableBuffer, /) -> int:
        try:
            size = self._out.write(chunk)
        except BaseException as error:
            self.failure = error
            raise
        self.digest.update(chunk)
        return size
