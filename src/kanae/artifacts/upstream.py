"""The sources "upstream" and "mirror": the projects' own release files and registries."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kanae.artifacts.catalogue import Item
from kanae.artifacts.model import Kind
from kanae.artifacts.progress import Progress
from kanae.artifacts.store import CHUNK, Store
from kanae.artifacts.supplier import entry_for, item_key
from kanae.errors import ArtifactError

if TYPE_CHECKING:
    from kanae.artifacts.transfer import Http, Limits


class UpstreamSupplier:
    """See `kanae.artifacts.supplier.Supplier`. With a mirror it is called "mirror"."""

    # Enough to fill a link in spite of round trips, few enough to be polite.
    parallel = 4

    def __init__(
        self, mirror: Mapping[str, str] | None = None, limits: Limits | None = None
    ) -> None:
        self.mirror = dict(mirror or {})
        self._limits = limits

    # The HTTP library is imported where it is used: a warm fetch needs only the keys.
    @cached_property
    def _http(self) -> Http:
        from kanae.artifacts.transfer import Http

        return Http(self.mirror, self._limits)

    @property
    def label(self) -> str:
        return "mirror" if self.mirror else "upstream"

    def key(self, item: Item) -> str:
        where = "\n".join(f"{host}={url}" for host, url in sorted(self.mirror.items()))
        return item_key(self.label, item, where)

    def close(self) -> None:
        if "_http" in self.__dict__:
            self._http.close()

    def groups(self, items: Sequence[Item]) -> list[list[Item]]:
        """Binaries that come in one file together; each image alone."""
        grouped: dict[str, list[Item]] = {}
        for item in items:
            where = item.remote.url if item.remote is not None else item.id
            grouped.setdefault(where, []).append(item)
        return list(grouped.values())

    def supply(self, items: Sequence[Item], store: Store, progress: Progress) -> None:
        if items[0].kind is Kind.IMAGE:
            from kanae.artifacts import registry

            for item in items:
                image = registry.pull(self._http, item.reference, item.arch, store, progress)
                store.put(
                    self.key(item),
                    entry_for(item, self.label, item.version, image.digest, image.size,
                              image.blobs),
                )  # fmt: skip
        else:
            self._binaries(items, store, progress)

    def _binaries(self, items: Sequence[Item], store: Store, progress: Progress) -> None:
        from kanae.artifacts.transfer import published_digest

        remote = items[0].remote
        if remote is None:
            raise ArtifactError(f"the catalogue does not say where {items[0].name} lies upstream")
        file_name = remote.url.rpartition("/")[2]
        # Several requests (etcd now, etcdctl from another process) may want one file.
        lock = hashlib.sha256(remote.url.encode()).hexdigest()
        with store.locked([lock], lambda: progress.say(f"waiting: {file_name} is being fetched")):
            text = self._http.text(remote.checksum)
            digest = published_digest(text, file_name, self._http.location(remote.checksum))
            if not store.verified(digest):
                with progress.task(f"fetching {file_name}") as task:
                    self._http.download_verified(remote.url, digest, store, task)
            file = store.path(digest)
            for item in items:
                self._binary(item, file, digest, store)
            if remote.member:
                store.discard(digest)

    def _binary(self, item: Item, file: Path, digest: str, store: Store) -> None:
        if item.remote is not None and item.remote.member:
            digest, size = _unpack(file, item.remote.member, store)
        else:
            size = file.stat().st_size
            store.make_executable(digest)
        entry = entry_for(item, self.label, item.version, digest, size, (digest,))
        store.put(self.key(item), entry)


def _unpack(archive: Path, member: str, store: Store) -> tuple[str, int]:
    """One executable out of a tar file, into the store."""
    with tarfile.open(archive) as tar, store.new_file() as part:
        for info in tar:
            if info.name.removeprefix("./") == member and info.isfile():
                stream = tar.extractfile(info)
                with part.open("wb") as out:
                    while stream is not None and (chunk := stream.read(CHUNK)):
                        out.write(chunk)
                return store.add_file(part, executable=True)
    raise ArtifactError(
        f"{archive.name} has no file {member} in it",
        remedy="upstream may have changed its layout: see data/catalogue.toml",
    )
