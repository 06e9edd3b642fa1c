"""What a recipe gave, as a line of the store's index and of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import cast

from kanae.artifacts.digests import is_digest
from kanae.artifacts.model import Kind

# The kind of an index line that is no artifact: what images are made of.
LAYER = "layer"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the index: what a recipe gave.

    kind: a `Kind` or LAYER. blobs: digests of all blobs that it needs, its own first. size: of all
    of them, in bytes. diff_id: of a layer, the digest of its tar before compression.
    """

    kind: str
    name: str
    version: str
    arch: str
    source: str
    digest: str
    size: int
    blobs: tuple[str, ...]
    reference: str = ""
    diff_id: str = ""

    @classmethod
    def read(cls, told: object) -> Entry:
        """From JSON, of a bundle or of the index: somebody else's, or damaged. Raises ValueError
        for anything that `asdict` would not give, and for digests that are none."""
        given: Mapping[str, object] = (
            cast("Mapping[str, object]", told) if isinstance(told, dict) else {}
        )
        if not set(given) <= {field.name for field in fields(cls)}:
            raise ValueError(f"an entry has unknown fields: {sorted(given)}")
        texts = {name: given[name] for name in given if name not in {"size", "blobs"}}
        blobs, size = given.get("blobs"), given.get("size")
        named = tuple(cast("list[object]", blobs)) if isinstance(blobs, list) else ()
        if (
            not all(isinstance(text, str) for text in texts.values())
            or type(size) is not int
            or given.get("kind") not in {*Kind, LAYER}
            or not all(map(is_digest, (given.get("digest"), *named)))
        ):
            raise ValueError(f"the entry of {given.get('name')!r} is malformed")
        if not named or named[0] != given["digest"]:
            raise ValueError(f"the entry of {given.get('name')!r} does not name its own blob first")
        try:
            entry = cls(
                **cast("dict[str, str]", texts), size=size, blobs=cast("tuple[str, ...]", named)
            )
        except TypeError:
            raise ValueError(f"the entry of {given.get('name')!r} lacks fields") from None
        return entry if entry.kind == LAYER else replace(entry, kind=Kind(entry.kind))
