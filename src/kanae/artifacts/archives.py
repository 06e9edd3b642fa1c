"""Image archives for hosts: put together out of the store once, and read before they are sent.

    ROOT/<key>.tar      an archive; the key is over the references and digests of its images
    ROOT/<key>.sha256   its sum, as sha256sum writes and checks it
    ROOT/lock           flock: one process makes or removes archives, others wait for it

An archive counts only with its sum, which is written after it, and only while both agree: a host
checks nothing of the file that it gets. All of it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, cast

from kanae import paths
from kanae.artifacts import atomic, locks, oci
from kanae.artifacts.model import Artifact
from kanae.artifacts.progress import Progress
from kanae.artifacts.store import hash_file, stamp


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
                atomic.write_text(_sum_of(archive), _sum(archive, digest))
                self._trusted[archive] = stamp(archive)
        return archive

    def verify_all(self, progress: Progress) -> tuple[int, list[str]]:
        """Read every archive that has a sum, as no other is ever sent.

        Returns how many, and the names of those removed as bad.
        """
        bad: list[str] = []
        with self._alone():
            self._sweep()
            self._trusted.clear()
            archives = [archive for archive in self._every() if _sum_of(archive).exists()]
            if not archives:
                return 0, []
            with progress.task("reading image archives") as task:
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
                if not (_sum_of(archive).exists() and _images(archive) <= set(images)):
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
        """Whether an archive is there and is what its sum says."""
        try:
            told, seen = _sum_of(archive).read_bytes(), stamp(archive)
        except FileNotFoundError:
            return False
        if self._trusted.get(archive) != seen:
            if _sum(archive, hash_file(archive)).encode() != told:
                return False
            self._trusted[archive] = seen
        return True


def _sum_of(archive: Path) -> Path:
    return archive.with_suffix(".sha256")


def _sum(archive: Path, digest: str) -> str:
    return f"{digest.removeprefix('sha256:')}  {archive.name}\n"


def _images(archive: Path) -> set[str]:
    """Digests of the images that an archive names; of a damaged one a set with "" in it."""
    try:
        with tarfile.open(archive) as tar:
            index = cast(IO[bytes], tar.extractfile(oci.INDEX_FILE)).read()
        return {manifest["digest"] for manifest in json.loads(index)["manifests"]}
    except (tarfile.TarError, ValueError, TypeError, KeyError, AttributeError):
        return {""}


def _remove(archive: Path) -> None:
    _sum_of(archive).unlink(missing_ok=True)
    archive.unlink(missing_ok=True)
