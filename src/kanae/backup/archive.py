"""The file that a backup is, read as a stream: a snapshot may be larger than memory.

    tar     manifest.json, spec.yaml, pki/..., kubeadm/..., marks/..., last etcd/snapshot.db
    65 B    the sha256 of the tar in hex, and an end of line

so that `tar -xf` unpacks it, and a shell script on a host can write it with tar and sha256sum. For
recipients all of that is encrypted (age). What is read is compared with both: the digest at the end
finds any byte that is not as it was, those of the manifest name the file that it is in.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from kanae.artifacts import atomic
from kanae.backup import keys
from kanae.backup.model import GET_ANOTHER, MANIFEST, SNAPSHOT, Manifest, from_json
from kanae.backup.streams import CHUNK, Decrypting, Hashed, Source, damaged
from kanae.errors import BackupBroken, NoBackup

if TYPE_CHECKING:
    from kanae.backup.keys import Identity

BLOCK: Final = tarfile.BLOCKSIZE
# The digest at the end, with its end of line.
TRAILER: Final = 65
# A ConfigMap holds no more than 1 MiB, and no small file here more than a few.
SMALL: Final = 4 << 20
_AGE: Final = b"age-encryption.org/v1\n"
_PLAIN: Final = MANIFEST.encode() + b"\0"


@dataclass(frozen=True, slots=True)
class Archive:
    """A backup that was read in full. files: the small ones by name, all but the manifest.
    sha256: of the whole file, in hex."""

    manifest: Manifest
    files: Mapping[str, bytes]
    sha256: str


def sha256(file: Path) -> str:
    """Of a file as it lies there, in hex. BackupBroken when it cannot be read."""
    with _reading(file) as stream:
        return Hashed(stream).rest()


def is_encrypted(file: Path) -> bool:
    """NoBackup when it begins neither as a backup nor as an encrypted file."""
    with _reading(file) as stream:
        return _encrypted(file, stream)


def peek(file: Path, identities: Sequence[Identity] = ()) -> Manifest:
    """Only what a backup says of itself; the rest is not read. Errors as of `open_archive`."""
    with _reading(file) as stream, _plain(file, Hashed(stream), identities) as source:
        return _manifest(file, _Members(file, source))


def open_archive(
    file: Path, identities: Sequence[Identity] = (), *, snapshot: Path | None = None
) -> Archive:
    """Read all of a backup and compare it with what it says of itself.

    identities: private keys, see `kanae.backup.keys`. snapshot: where to put etcd's snapshot, 0600;
    it appears there only if all of the backup is sound. NoBackup when it is no backup of kanae;
    BackupBroken when it is damaged, cut short or cannot be read; BackupLocked when it is encrypted
    and none of the identities opens it.
    """
    with _reading(file) as stream:
        hashed = Hashed(stream)
        with _plain(file, hashed, identities) as source:
            if snapshot is None:
                return _whole(file, hashed, source, None)
            with atomic.written(snapshot, 0o600) as out:
                return _whole(file, hashed, source, out)


def _whole(file: Path, outer: Hashed, source: Source, out: IO[bytes] | None) -> Archive:
    sealed = _Sealed(file, source)
    members = _Members(file, sealed)
    manifest = _manifest(file, members)
    found: dict[str, bytes] = {}
    for name, size in members:
        if name == SNAPSHOT:
            if members.copied(size, out) != (manifest.snapshot.sha256, manifest.snapshot.size):
                raise damaged(file, f"{name} is not what {MANIFEST} says")
            break
        promised = manifest.files.get(name)
        if promised is None or name in found or size != promised.size:
            raise damaged(file, f"{name} is not what {MANIFEST} says")
        found[name] = members.small(size)
        if hashlib.sha256(found[name]).hexdigest() != promised.sha256:
            raise damaged(file, f"{name} is not what {MANIFEST} says")
    else:
        raise damaged(file, f"{SNAPSHOT} is missing")
    if lacking := [name for name in manifest.files if name not in found]:
        raise damaged(file, f"{', '.join(lacking)} missing")
    sealed.finish()
    return Archive(manifest, found, outer.rest())


def _manifest(file: Path, members: _Members) -> Manifest:
    name, size = next(members)
    if name != MANIFEST:
        raise damaged(file, f"it does not begin with {MANIFEST}")
    return from_json(members.small(size), str(file))


@contextmanager
def _reading(file: Path) -> Generator[io.BufferedReader, None, None]:
    try:
        with file.open("rb") as stream:
            yield stream
    except FileNotFoundError:
        raise NoBackup(f"there is no file {file}", remedy="kanae backup list") from None
    except OSError as error:
        raise BackupBroken(f"{file} cannot be read: {error.strerror}", remedy=GET_ANOTHER) from None


def _encrypted(file: Path, stream: io.BufferedReader) -> bool:
    begin = stream.read(len(_AGE))
    stream.seek(0)
    if begin == _AGE:
        return True
    if begin.startswith(_PLAIN):
        return False
    raise NoBackup(
        f"{file} is no backup of kanae: it begins neither with {MANIFEST} nor as an encrypted file",
        remedy=GET_ANOTHER,
    )


@contextmanager
def _plain(
    file: Path, stream: Hashed, identities: Sequence[Identity]
) -> Generator[Source, None, None]:
    """What is in the file, decrypted where it is encrypted."""
    if not _encrypted(file, stream.raw):
        yield stream
        return
    if not identities:
        raise keys.no_key(str(file))
    decrypting = Decrypting(file, stream, identities)
    try:
        yield decrypting
    finally:
        decrypting.close()


class _Sealed:
    """A tar with its digest behind it. Reading ends where the tar does."""

    def __init__(self, file: Path, source: Source) -> None:
        self._file = file
        self._source = source
        self._digest = hashlib.sha256()
        # The last bytes that came: the digest, as soon as no more come.
        self._ahead = source.read(TRAILER)

    def read(self, size: int, /) -> bytes:
        both = self._ahead + self._source.read(size)
        end = max(len(both) - TRAILER, 0)
        self._ahead = both[end:]
        self._digest.update(both[:end])
        return both[:end]

    def finish(self) -> None:
        """BackupBroken unless there is only the tar's end, of zeros, and the right digest."""
        zeros = 0
        while chunk := self.read(BLOCK):
            if chunk.strip(b"\0"):
                raise damaged(self._file, f"something follows {SNAPSHOT}")
            zeros += len(chunk)
        if self._ahead != f"{self._digest.hexdigest()}\n".encode():
            raise damaged(self._file, "it does not have the sha256 at its end")
        if zeros < 2 * BLOCK or zeros % BLOCK:
            raise damaged(self._file, "its tar has no end")


class _Members(Iterator[tuple[str, int]]):
    """Names and sizes of the plain files in a tar; each must be read before the next is asked for.

    Anything else that a tar can hold is refused, by the header alone.
    """

    def __init__(self, file: Path, source: Source) -> None:
        self._file = file
        self._source = source

    def __next__(self) -> tuple[str, int]:
        header = self._exactly(BLOCK)
        if not header.strip(b"\0"):
            raise StopIteration
        try:
            info = tarfile.TarInfo.frombuf(header, "ascii", "strict")
        except (tarfile.TarError, ValueError) as error:
            raise damaged(self._file, f"a header in it is damaged ({error})") from None
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.size < 0:
            raise damaged(self._file, "it holds something that is no plain file")
        return info.name, info.size

    def small(self, size: int) -> bytes:
        if size > SMALL:
            raise damaged(self._file, f"a small file in it has {size} bytes")
        content = self._exactly(size)
        self._padding(size)
        return content

    def copied(self, size: int, out: IO[bytes] | None) -> tuple[str, int]:
        """Digest in hex and size of a large one, which goes to `out`."""
        digest, left = hashlib.sha256(), size
        while left:
            chunk = self._exactly(min(left, CHUNK))
            digest.update(chunk)
            if out is not None:
                out.write(chunk)
            left -= len(chunk)
        self._padding(size)
        return digest.hexdigest(), size

    def _padding(self, size: int) -> None:
        self._exactly(-size % BLOCK)

    def _exactly(self, size: int) -> bytes:
        chunk = self._source.read(size)
        if len(chunk) != size:
            raise damaged(self._file, "it is cut short")
        return chunk
