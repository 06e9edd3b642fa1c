"""What every source of artifacts has in common: it can name, group and supply items."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from kanae.artifacts.catalogue import Item
from kanae.artifacts.entry import Entry
from kanae.artifacts.model import Artifact
from kanae.artifacts.progress import Progress
from kanae.artifacts.store import Store


class Supplier(Protocol):
    """A source. All methods but `supply` do no I/O beyond small local files."""

    @property
    def label(self) -> str:
        """The source in a word or two, for people: "build", "upstream", "mirror"."""
        ...

    @property
    def parallel(self) -> int:
        """How many groups may be supplied at once."""
        ...

    def key(self, item: Item) -> str:
        """The store's key: equal for equal pins and equal source."""
        ...

    def groups(self, items: Sequence[Item]) -> list[list[Item]]:
        """Items that are made or fetched in one go, in the order in which to do it."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...

    def supply(self, items: Sequence[Item], store: Store, progress: Progress) -> None:
        """Put every item of one group into the store. The caller holds the items' locks."""
        ...


def item_key(source: str, item: Item, pins: str = "") -> str:
    """A store key from the source's name, the item's pins and whatever else fixes the bytes.

    The version is among the pins. Caches stay good for as long as this gives what it gives.
    """
    return hashlib.sha256(f"{source}\n{item.part}\n{item.pins()}\n{pins}".encode()).hexdigest()


def held(supplier: Supplier, item: Item, store: Store) -> Artifact | None:
    """What the store has of an item from this source; None when it lacks it or it is damaged."""
    found = store.get(supplier.key(item))
    # The index is compared with the catalogue: a line may be damaged and look like one.
    if (
        found is None
        or found.reference != item.reference
        or not item.admits(found.kind, found.name, found.version, found.arch)
    ):
        return None
    return replace(found, listed=item.version)


def entry_for(
    item: Item, source: str, version: str, digest: str, size: int, blobs: tuple[str, ...]
) -> Entry:
    return Entry(
        kind=item.kind.value,
        name=item.name,
        version=version,
        arch=item.arch,
        source=source,
        digest=digest,
        size=size,
        blobs=blobs,
        reference=item.reference,
    )
