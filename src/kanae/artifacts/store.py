"""The content-addressed store of artifacts on this machine.

    ROOT/blobs/sha256/<hex>     every binary, layer, configuration and manifest, once
    ROOT/verified/<hex>         size, mtime and inode of a blob when it was last read in full
    ROOT/index/<key>.json       what a recipe gave: digests, sizes, for people and programs
    ROOT/locks/<key>            flock: one process makes a thing, others wait for it
    ROOT/partial/               downloads and builds on their way; renamed when complete

A blob is trusted without reading it while size, mtime and inode are those of the last full
reading; otherwise it is read again, and removed when its digest is not its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from kanae import paths
from kanae.artifacts import atomic, locks
from kanae.artifacts.digests import hexadecimal, is_digest
from kanae.artifacts.entry import Entry
from kanae.artifacts.model import Artifact, Kind
from kanae.artifacts.progress import Progress
from kanae.errors import ArtifactError

CHUNK = 1 << 20


class Store:
    """See the module's text. Safe for several threads and processes at once."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root if root is not None else paths.cache_dir() / "artifacts"
        self.blobs = self.root / "blobs" / "sha256"
        for folder in (self.blobs, *(self.root / n for n in ("verified", "index", "locks"))):
            folder.mkdir(parents=True, exist_ok=True)
        self.partial = self.root / "partial"
        self.partial.mkdir(exist_ok=True)

    # --- blobs

    def path(self, digest: str) -> Path:
        """Where the blob of this digest is, or would be: always in the store's own folder.

        ArtifactError for what is no digest.
        """
        return self.blobs / hexadecimal(digest)

    def add_bytes(self, data: bytes) -> str:
        """Store bytes; returns their digest."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if not self.verified(digest):
            with self.new_file() as part:
                part.write_bytes(data)
                self._adopt(part, digest)
        return digest

    def add_file(self, file: Path, *, executable: bool = False, known: str = "") -> tuple[str, int]:
        """Move a complete file into the store; returns digest and size. The file is gone after.

        known: its digest, where the caller has just computed it.
        """
        digest = known or hash_file(file)
        size = file.stat().st_size
        if self.verified(digest):
            file.unlink()
            if executable:
                self.make_executable(digest)
        else:
            self._adopt(file, digest, executable=executable)
        return digest, size

    @contextlib.contextmanager
    def new_file(self) -> Generator[Path, None, None]:
        """A path for a file on its way into the store; removed if it is still there at the end."""
        descriptor, name = tempfile.mkstemp(dir=self.partial)
        os.close(descriptor)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def work_dir(self) -> Generator[Path, None, None]:
        """A temporary folder on the store's file system."""
        folder = Path(tempfile.mkdtemp(dir=self.partial))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def verified(self, digest: str, *, full: bool = False) -> bool:
        """Whether the blob is here and has this digest. A blob that has not is removed.

        full: read it even if it looks unchanged.
        """
        blob = self.path(digest)
        try:
            seen = stamp(blob)
        except FileNotFoundError:
            return False
        note = self.root / "verified" / blob.name
        if not full:
            with contextlib.suppress(FileNotFoundError):
                # Bytes: a damaged note need not be text.
                if note.read_bytes() == seen.encode():
                    return True
        if hash_file(blob) != digest:
            self.discard(digest)
            return False
        atomic.write_text(note, seen)
        return True

    def verify_all(self, progress: Progress) -> tuple[int, list[str]]:
        """Read every blob in full; returns how many, and the digests of those removed as bad."""
        blobs = sorted(self.blobs.iterdir())
        bad: list[str] = []
        with progress.task("reading the store") as task:
            task.total(sum(blob.stat().st_size for blob in blobs))
            for blob in blobs:
                size, digest = blob.stat().st_size, f"sha256:{blob.name}"
                if not is_digest(digest):
                    blob.unlink()
                    bad.append(blob.name)
                elif not self.verified(digest, full=True):
                    bad.append(digest)
                task.advance(size)
        return len(blobs), bad

    def _adopt(self, file: Path, digest: str, *, executable: bool = False) -> None:
        file.chmod(0o755 if executable else 0o644)
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        blob = self.path(digest)
        file.replace(blob)
        atomic.write_text(self.root / "verified" / blob.name, stamp(blob))

    def make_executable(self, digest: str) -> None:
        if not os.access(self.path(digest), os.X_OK):
            self.path(digest).chmod(0o755)

    def discard(self, digest: str) -> None:
        """Forget a blob that was needed only on the way."""
        self.path(digest).unlink(missing_ok=True)
        (self.root / "verified" / self.path(digest).name).unlink(missing_ok=True)

    # --- index

    def get(self, key: str) -> Artifact | None:
        """The artifact that a recipe gave, if all its blobs are here and verify."""
        entry = self.have(key)
        return self._artifact(entry) if entry is not None else None

    def have(self, key: str) -> Entry | None:
        """The index line of a recipe, if it agrees with itself and all its blobs verify."""
        entry = self.entry(key)
        if entry is None:
            return None
        if not all(self.verified(digest) for digest in entry.blobs):
            return None
        size = sum(self.path(digest).stat().st_size for digest in entry.blobs)
        return entry if entry.size == size else None

    def entry(self, key: str) -> Entry | None:
        try:
            return Entry.read(json.loads((self.root / "index" / f"{key}.json").read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError):
            # A damaged line of the index is as good as none: the recipe is followed again.
            return None

    def put(self, key: str, entry: Entry) -> None:
        """Record what a recipe gave; its blobs must be in the store."""
        missing = [digest for digest in entry.blobs if not self.path(digest).exists()]
        if missing:
            raise ArtifactError(f"{entry.name}: blobs {missing} are not in the store {self.root}")
        atomic.write_text(
            self.root / "index" / f"{key}.json", json.dumps(asdict(entry), indent=1) + "\n"
        )

    def entries(self) -> dict[str, Entry]:
        """Everything in the index, by key."""
        found = {file.stem: self.entry(file.stem) for file in (self.root / "index").glob("*.json")}
        return {key: entry for key, entry in sorted(found.items()) if entry is not None}

    def _artifact(self, entry: Entry) -> Artifact:
        return Artifact(
            name=entry.name,
            version=entry.version,
            arch=entry.arch,
            kind=Kind(entry.kind),
            digest=entry.digest,
            size=entry.size,
            path=self.path(entry.digest),
            reference=entry.reference,
        )

    # --- locks and cleaning

    def in_use(self, *, exclusively: bool = False) -> AbstractContextManager[None]:
        """Hold off `prune` (or, exclusively, everybody else) while blobs are added and named."""
        return locks.held(self.root / "locks" / "store", exclusively=exclusively)

    def locked(
        self, keys: Sequence[str], on_wait: Callable[[], None]
    ) -> AbstractContextManager[None]:
        """Hold the locks of all keys; on_wait is called once if another holds one of them."""
        return locks.all_held(self.root / "locks", keys, on_wait)

    def sweep(self) -> None:
        """Remove work folders that killed processes left, when nobody else is at work.

        Interrupted downloads stay: the next one of the same file resumes them.
        """
        with locks.tried(self.root / "locks" / "store") as alone:
            for left in self.partial.iterdir() if alone else ():
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                elif not left.name.startswith("download-"):
                    left.unlink(missing_ok=True)

    def prune(self, keep: Sequence[str] = ()) -> tuple[int, int]:
        """Remove index lines whose key is not in `keep`, and blobs that no line needs.

        Waits until no other process fetches. Returns the number of blobs removed and their bytes.
        """
        with self.in_use(exclusively=True):
            kept = {key: entry for key, entry in self.entries().items() if key in set(keep)}
            for file in (self.root / "index").glob("*.json"):
                if file.stem not in kept:
                    file.unlink(missing_ok=True)
            needed = {d.removeprefix("sha256:") for entry in kept.values() for d in entry.blobs}
            count = size = 0
            for blob in (*self.blobs.iterdir(), *self.partial.iterdir()):
                if blob.is_dir():
                    shutil.rmtree(blob, ignore_errors=True)
                elif blob.name not in needed:
                    size += blob.stat().st_size
                    count += 1
                    blob.unlink(missing_ok=True)
                    (self.root / "verified" / blob.name).unlink(missing_ok=True)
            return count, size


def hash_file(file: Path) -> str:
    """sha256:<hex> of a file's bytes."""
    with file.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def stamp(file: Path) -> str:
    """What changes with a file: size in bytes, mtime in ns, inode. OSError when there is none."""
    status = file.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
