"""Image archives for hosts: put together out of the store once, and read before they are sent.

    ROOT/<key>.tar      an archive; the key is over the references and digests of its images
    ROOT/<key>.json     its record: digest and size of the file, digests of the images in it
    ROOT/lock           flock: one process makes or removes archives, others wait for it

An archive counts only with its record, which is written after it, and only while both agree:
containerd on the host checks neither the file nor that it is the one that was made. All of it may
be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from kanae import paths
from kanae.artifacts import atomic, locks, oci
from kanae.artifacts.model import Artifact
from kanae.artifacts.progress import Progress
from kanae.artifacts.store import hash_file, stamp


@dataclass(frozen=True, slots=True)
class Record:
    """digest: sha256:<hex> of the archive. size: its bytes. images: digests of manifests."""

    digest: str
    size: int
    images: tuple[str, ...]


class Archives:
    """See the module's text. Safe for several threads and processes at once."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root if root is not None else paths.cache_dir() / "archives"
        # Those that this process has read in full or made, with what tells that they changed.
        self._trusted: dict[Path, str] = {}

    def of(self, images: Sequence[Artifact]) -> Path:
        """The archive of these images: the one that is there if it is sound, else a new one."""
        wanted = "\n".join(sorted(f"{image.reference} {image.digest}" for image in images))
        archive = self.root / f"{hashlib.sha256(wanted.encode()).hexdigest()}.tar"
        with self._alone():
            self._sweep()
            if not self._sound(archive):
                _remove(archive)
                digest = oci.write_archive(images, archive)
                held = tuple(sorted({image.digest for image in images}))
                record = Record(digest, archive.stat().st_size, held)
                atomic.write_text(_record_of(archive), json.dumps(asdict(record), indent=1) + "\n")
                self._trusted[archive] = stamp(archive)
        return archive

    def verify_all(self, progress: Progress) -> tuple[int, list[str]]:
        """Read every archive that is recorded, as no other is ever sent.

        Returns how many, and the names of those removed as bad.
        """
        bad: list[str] = []
        with self._alone(), progress.task("reading image archives") as task:
            self._sweep()
            self._trusted.clear()
            archives = [a for a in self._every() if _record_of(a).exists()]
            task.total(sum(archive.stat().st_size for archive in archives))
            for archive in archives:
                size = archive.stat().st_size
                if not self._sound(archive):
                    bad.append(archive.name)
                    _remove(archive)
                task.advance(size)
        return len(archives), bad

    def prune(self, images: Collection[str]) -> tuple[int, int]:
        """Remove archives with any other image than these; returns how many, and their bytes."""
        count = size = 0
        with self._alone():
            self._sweep()
            for archive in self._every():
                record = _record(archive)
                if record is None or not set(record.images) <= set(images):
                    size += archive.stat().st_size
                    count += 1
                    _remove(archive)
        return count, size

    def _alone(self) -> AbstractContextManager[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        return locks.held(self.root / "lock", exclusively=True)

    def _every(self) -> list[Path]:
        return sorted(self.root.glob("*.tar"))

    def _sweep(self) -> None:
        """Remove what killed processes left: nobody else writes here while the lock is held."""
        for left in self.root.glob(f"*{atomic.PART}"):
            left.unlink()

    def _sound(self, archive: Path) -> bool:
        """Whether an archive is there and is what its record says."""
        record = _record(archive)
        try:
            seen = stamp(archive)
        except FileNotFoundError:
            return False
        if record is None:
            return False
        if self._trusted.get(archive) != seen:
            if archive.stat().st_size != record.size or hash_file(archive) != record.digest:
                return False
            self._trusted[archive] = seen
        return True


def _record_of(archive: Path) -> Path:
    return archive.with_suffix(".json")


def _record(archive: Path) -> Record | None:
    """None when there is none, or a damaged one."""
    try:
        told = json.loads(_record_of(archive).read_text())
        return Record(**(told | {"images": tuple(told["images"])}))
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def _remove(archive: Path) -> None:
    _record_of(archive).unlink(missing_ok=True)
    archive.unlink(missing_ok=True)
