"""The source "build": everything from Go modules, one C file and Debian packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kanae.artifacts import oci
from kanae.artifacts.build import programs, userland
from kanae.artifacts.build.machine import need_packages
from kanae.artifacts.catalogue import Build, Item, Layout
from kanae.artifacts.model import Kind
from kanae.artifacts.progress import Progress
from kanae.artifacts.store import Store
from kanae.artifacts.supplier import entry_for, item_key
from kanae.errors import ArtifactError


class BuildSupplier:
    """See `kanae.artifacts.supplier.Supplier`."""

    label = "build"
    # go build keeps all cores busy by itself.
    parallel = 1

    def key(self, item: Item) -> str:
        if item.layout is None:
            return item_key("build", item, "")
        below = userland.shape(item.layout.layer, item.arch)
        return item_key("build", item, f"{oci.ZSTD!r} {below}")

    def close(self) -> None:
        pass

    def groups(self, items: Sequence[Item]) -> list[list[Item]]:
        """Items of one recipe and architecture; the longest build first."""
        grouped: dict[tuple[str, str, str], list[Item]] = {}
        for item in items:
            recipe = _recipe(item)
            grouped.setdefault((recipe.component, recipe.version, item.arch), []).append(item)
        return sorted(grouped.values(), key=lambda group: -len(_recipe(group[0]).variables))

    def supply(self, items: Sequence[Item], store: Store, progress: Progress) -> None:
        recipe = _recipe(items[0])
        wanted = {name for item in items for name in _programs_of(item)}
        with store.work_dir() as work:
            built = programs.build(recipe, items[0].arch, wanted, work, progress)
            # Images read the programs, so they come before the binaries move into the store.
            images = [item for item in items if item.kind is Kind.IMAGE]
            if images:
                need_packages(["zstd"], progress)
            kinds = {_layout(item).layer for item in images}
            below = {k: userland.layers(k, items[0].arch, store, progress) for k in kinds}
            with ThreadPoolExecutor(max_workers=2) as pool:
                jobs = [
                    pool.submit(
                        self._image, item, built, below[_layout(item).layer], store, progress
                    )
                    for item in images
                ]
            for job in jobs:
                job.result()
            binaries = [item for item in items if item.kind is Kind.BINARY]
            # Releases that list different versions can be built from the same one.
            added = {
                name: store.add_file(built[name], executable=True)
                for name in {item.name for item in binaries}
            }
            for item in binaries:
                digest, size = added[item.name]
                entry = entry_for(item, "build", recipe.version, digest, size, (digest,))
                store.put(self.key(item), entry)

    def _image(
        self,
        item: Item,
        built: Mapping[str, Path],
        below: Sequence[oci.Layer],
        store: Store,
        progress: Progress,
    ) -> None:
        layout = _layout(item)
        members: list[oci.Member] = []
        folders: set[str] = set()
        for name, path in layout.files.items():
            members.append(oci.Member(path.lstrip("/"), 0o755, file=built[name]))
            folders.update(oci.parents(path.lstrip("/")))
        members += [oci.Member(folder, 0o755, directory=True) for folder in folders]
        layer = oci.add_layer(store, members)
        image = oci.add_image(
            store, [*below, layer], arch=item.arch, entrypoint=layout.entrypoint, user=layout.user
        )
        entry = entry_for(item, "build", item.version, image.digest, image.size, image.blobs)
        store.put(self.key(item), entry)
        progress.say(f"image {item.reference} ({item.arch}): {image.size / 1e6:.0f} MB")


def _recipe(item: Item) -> Build:
    if item.build is None:
        raise ArtifactError(
            f"{item.kind.value} {item.name} cannot be built",
            remedy="take it from upstream, a mirror or a bundle",
        )
    return item.build


def _layout(item: Item) -> Layout:
    if item.layout is None:
        raise ArtifactError(f"the catalogue does not say how image {item.name} is put together")
    return item.layout


def _programs_of(item: Item) -> tuple[str, ...]:
    return (item.name,) if item.kind is Kind.BINARY else tuple(_layout(item).files)
