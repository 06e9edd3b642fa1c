"""One file with everything of one release or several, for operators without Internet.

A plain tar: first `kanae-bundle.json` (what is in it, with digests), then every blob once as
blobs/sha256/<hex>, sorted. The same content gives the same file.

The index of format 2: format; kubernetes, the versions of the releases; entries, as in the store's
index, those that releases share once; blobs, digest -> bytes; sum, the sha256 of the index without
its sum. Format 1 is still read: there kubernetes is one version, and there is no sum.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from kanae.artifacts import atomic, oci
from kanae.artifacts.catalogue import Item
from kanae.artifacts.digests import is_digest
from kanae.artifacts.entry import Entry
from kanae.artifacts.model import Artifact, ArtifactSet, Kind
from kanae.artifacts.progress import Progress, Task
from kanae.artifacts.store import CHUNK, Store, hash_file
from kanae.errors import ArtifactError, ArtifactMismatch

INDEX = "kanae-bundle.json"
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle's index says.

    kubernetes: versions of the releases in it. digest: of the index, which names all other bytes.
    """

    file: Path
    kubernetes: tuple[str, ...]
    entries: tuple[Entry, ...]
    sizes: dict[str, int]
    digest: str

    def find(self, item: Item) -> Entry | None:
        for entry in self.entries:
            if item.admits(entry.kind, entry.name, entry.version, entry.arch):
                return entry
        return None


def create(
    file: Path, kubernetes: Sequence[str], artifacts: ArtifactSet, progress: Progress
) -> Bundle:
    """Write a bundle of artifacts that are in the store; the file appears when it is complete.

    kubernetes: versions of the releases that the artifacts belong to.
    """
    # What two releases list under different versions can be one and the same.
    entries = {_entry(artifact): artifact for artifact in artifacts.values()}
    files = {
        digest: artifact.path.with_name(digest.removeprefix("sha256:"))
        for entry, artifact in entries.items()
        for digest in entry.blobs
    }
    sizes = {digest: path.stat().st_size for digest, path in sorted(files.items())}
    told = {
        "format": FORMAT,
        "kubernetes": list(kubernetes),
        "entries": [asdict(entry) for entry in entries],
        "blobs": sizes,
    }
    index = _json(told | {"sum": _sum(told)})
    with (
        progress.task(f"writing {file.name}") as task,
        atomic.written(file) as out,
        tarfile.open(fileobj=out, mode="w") as tar,
    ):
        task.total(sum(sizes.values()))
        _add(tar, INDEX, len(index), io.BytesIO(index))
        for digest, path in sorted(files.items()):
            with path.open("rb") as stream:
                name = f"blobs/sha256/{digest.removeprefix('sha256:')}"
                _add(tar, name, sizes[digest], stream)
            task.advance(sizes[digest])
    return inspect(file)


def inspect(file: Path) -> Bundle:
    """Read a bundle's index. ArtifactError when the file is no bundle."""
    try:
        with tarfile.open(file, "r:") as tar:
            first = tar.next()
            stream = tar.extractfile(first) if first is not None and first.name == INDEX else None
            if stream is None:
                raise ArtifactError(f"{file} does not begin with {INDEX}: it is not a bundle")
            index = stream.read()
        told: dict[str, Any] = json.loads(index)
        if told["format"] not in (1, FORMAT):
            raise ArtifactError(
                f"{file} has bundle format {told['format']}; this kanae reads 1 and {FORMAT}",
                remedy="make the bundle with the same version of kanae",
            )
        if told["format"] == 1:
            told["kubernetes"] = [told["kubernetes"]]
        elif told.pop("sum") != _sum(told):
            raise _damaged(file, f"{INDEX} does not have its own sum")
        kubernetes = tuple(str(version) for version in told["kubernetes"])
        entries = tuple(map(Entry.read, told["entries"]))
        sizes = _sizes(told["blobs"], entries)
    except FileNotFoundError as error:
        raise ArtifactError(
            f"there is no bundle {file}", remedy="make one: kanae bundle create"
        ) from error
    except OSError as error:
        raise ArtifactError(
            f"the bundle {file} cannot be read: {error.strerror}",
            remedy="see that it is a file, and that you may read it",
        ) from error
    except (tarfile.TarError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"{file} cannot be read as a bundle: {error}", remedy="copy or make it again"
        ) from error
    digest = "sha256:" + hashlib.sha256(index).hexdigest()
    return Bundle(file, kubernetes, entries, sizes, digest)


def _sizes(told: object, entries: Sequence[Entry]) -> dict[str, int]:
    """Bytes by digest, of every blob that an entry needs. ValueError when one is missing."""
    sizes: dict[str, int] = cast("dict[str, int]", told) if isinstance(told, dict) else {}
    if wrong := [d for d, size in sizes.items() if not is_digest(d) or type(size) is not int]:
        raise ValueError(f"blobs names {wrong[0]!r}, which has no digest or no size")
    if lacking := [d for entry in entries for d in entry.blobs if d not in sizes]:
        raise ValueError(f"blobs does not give the size of {lacking[0]}")
    return sizes


def verify(file: Path, progress: Progress) -> tuple[Bundle, tuple[str, ...]]:
    """Read all of a bundle; returns its index and what is wrong with it, nothing if all is well."""
    bundle = inspect(file)
    problems: list[str] = []
    seen: set[str] = set()
    with progress.task(f"reading {file.name}") as task:
        task.total(sum(bundle.sizes.values()))
        try:
            with tarfile.open(file, "r:") as tar:
                for info in tar:
                    if info.name == INDEX:
                        continue
                    digest = "sha256:" + info.name.rpartition("/")[2]
                    stream = tar.extractfile(info)
                    found = hashlib.sha256()
                    while stream is not None and (chunk := stream.read(CHUNK)):
                        found.update(chunk)
                        task.advance(len(chunk))
                    if "sha256:" + found.hexdigest() == digest:
                        seen.add(digest)
                    else:
                        problems.append(f"{digest} does not have that digest")
        except tarfile.TarError as error:
            problems.append(f"the file is damaged or cut short: {error}")
    problems += [f"{digest} is missing" for digest in sorted(set(bundle.sizes) - seen)]
    return bundle, tuple(problems)


class BundleSupplier:
    """The source "bundle": see `kanae.artifacts.supplier.Supplier`."""

    label = "bundle"
    parallel = 1

    def __init__(self, file: Path, kubernetes: Sequence[str]) -> None:
        self._bundle = inspect(file)
        lacking = [v for v in kubernetes if v not in self._bundle.kubernetes]
        if lacking:
            options = " ".join(f"--kubernetes {version}" for version in kubernetes)
            raise ArtifactError(
                f"{file} is for Kubernetes {' and '.join(self._bundle.kubernetes)}, "
                f"not {' and '.join(lacking)}",
                remedy=f"make one: kanae bundle create {options}",
            )

    def key(self, item: Item) -> str:
        # By its part where there is one release, so that what caches have from such bundles holds.
        name = item.part if len(self._bundle.kubernetes) == 1 else item.id
        return hashlib.sha256(f"bundle\n{self._bundle.digest}\n{name}".encode()).hexdigest()

    def close(self) -> None:
        pass

    def groups(self, items: Sequence[Item]) -> list[list[Item]]:
        return [list(items)] if items else []

    def supply(self, items: Sequence[Item], store: Store, progress: Progress) -> None:
        found = {item.id: self._bundle.find(item) for item in items}
        missing = [name for name, entry in found.items() if entry is None]
        if missing:
            raise ArtifactError(
                f"{self._bundle.file} holds no {', '.join(missing)}",
                remedy="make a bundle with these names and architectures",
            )
        entries = [entry for entry in found.values() if entry is not None]
        self._unpack({digest for entry in entries for digest in entry.blobs}, store, progress)
        for item, entry in zip(items, entries, strict=True):
            if item.kind is Kind.BINARY:
                store.make_executable(entry.digest)
            store.put(self.key(item), entry)

    def _unpack(self, digests: set[str], store: Store, progress: Progress) -> None:
        """Put blobs of the bundle into the store. Raises ArtifactError unless all are there."""
        wanted = {digest for digest in digests if not store.verified(digest)}
        try:
            self._read(wanted, store, progress)
        except tarfile.TarError as error:
            raise _damaged(self._bundle.file, str(error)) from error
        if lacking := [digest for digest in sorted(wanted) if not store.verified(digest)]:
            raise _damaged(self._bundle.file, f"{', '.join(lacking)} missing")

    def _read(self, wanted: set[str], store: Store, progress: Progress) -> None:
        with (
            progress.task(f"unpacking {self._bundle.file.name}") as task,
            tarfile.open(self._bundle.file, "r:") as tar,
        ):
            task.total(sum(self._bundle.sizes[digest] for digest in wanted))
            for info in tar:
                digest = "sha256:" + info.name.rpartition("/")[2]
                if digest in wanted:
                    self._unpack_one(tar, info, digest, store, task)

    def _unpack_one(
        self, tar: tarfile.TarFile, info: tarfile.TarInfo, digest: str, store: Store, task: Task
    ) -> None:
        with store.new_file() as part:
            stream = tar.extractfile(info)
            with part.open("wb") as out:
                while stream is not None and (chunk := stream.read(CHUNK)):
                    out.write(chunk)
                    task.advance(len(chunk))
            if hash_file(part) != digest:
                raise ArtifactMismatch(
                    f"{self._bundle.file}: {digest} does not have that digest",
                    remedy="copy the bundle again; `kanae bundle verify` names all damage",
                )
            store.add_file(part, known=digest)


def _damaged(file: Path, what: str) -> ArtifactError:
    return ArtifactError(
        f"{file} is damaged or cut short: {what}",
        remedy="copy the bundle again; `kanae bundle verify` names all damage",
    )


def _entry(artifact: Artifact) -> Entry:
    blobs = (artifact.digest,)
    if artifact.kind is Kind.IMAGE:
        blobs += tuple(digest for digest, _ in oci.blobs_of(artifact.path.read_bytes()))
    return Entry(
        kind=artifact.kind.value,
        name=artifact.name,
        version=artifact.version,
        arch=artifact.arch,
        source="bundle",
        digest=artifact.digest,
        size=artifact.size,
        blobs=blobs,
        reference=artifact.reference,
    )


def _json(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, sort_keys=True, indent=1).encode()


def _sum(told: Mapping[str, Any]) -> str:
    return "sha256:" + hashlib.sha256(_json(told)).hexdigest()


def _add(tar: tarfile.TarFile, name: str, size: int, stream: Any) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    tar.addfile(info, stream)
