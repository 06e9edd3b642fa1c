"""What every source of artifacts has in common: it can name, group and supply items."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

from kanae.artifacts.catalogue import Item
from kanae.artifacts.progress import Progress
from kanae.artifacts.store import Entry, Store


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
    """A store key from the source's name, the item's pins and whatever else fixes the bytes."""
    return hashlib.sha256(f"{source}\n{item.id}\n{item.pins()}\n{pins}".encode()).hexdigest()


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
