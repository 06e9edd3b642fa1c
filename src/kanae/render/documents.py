"""Configuration documents as dicts, and their YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

from kanae.render.banner import banner
from kanae.render.yaml import plain_yaml, read_yaml

Document = dict[str, object]


# A plan asks for the same documents host by host and fingerprint by fingerprint, and one of them
# takes milliseconds to write or read.
_KEPT = 2048


@dataclass(frozen=True, slots=True)
class _Kept:
    """A document as the key of a cache. text: its repr, which tells all values and their order."""

    text: str
    document: Mapping[str, object] = field(compare=False, repr=False)


def to_yaml(documents: Sequence[Mapping[str, object]]) -> str:
    """All documents in one text, keys in the order given, with the banner on top."""
    return banner() + "---\n".join(_dumped(_Kept(repr(each), each)) for each in documents)


@lru_cache(maxsize=_KEPT)
def _dumped(kept: _Kept) -> str:
    return plain_yaml(kept.document)


def from_yaml(text: str) -> Document | None:
    """The one document of a text; None when it is empty or no mapping."""
    return deepcopy(_loaded(text))


@lru_cache(maxsize=_KEPT)
def _loaded(text: str) -> Document | None:
    loaded = read_yaml(text)
    return cast("Document", loaded) if isinstance(loaded, dict) else None


def merged(base: Mapping[str, object], over: Mapping[str, object]) -> Document:
    """`over` laid on `base`: mappings key by key, everything else replaced."""
    result: Document = dict(base)
    for key, value in over.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = merged(cast("Document", old), cast("Document", value))
        result[key] = value
    return result
