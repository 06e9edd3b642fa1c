"""Configuration documents as dicts, and their YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from io import StringIO
from typing import cast

from ruamel.yaml import YAML

from kanae.render.banner import banner

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
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # pyright: ignore[reportAttributeAccessIssue]  # declared as a bare None
    yaml.width = 1000
    stream = StringIO()
    yaml.dump(kept.document, stream)  # pyright: ignore[reportUnknownMemberType]  # its stream is untyped
    return stream.getvalue()


def from_yaml(text: str) -> Document | None:
    """The one document of a text; None when it is empty or no mapping."""
    return deepcopy(_loaded(text))


@lru_cache(maxsize=_KEPT)
def _loaded(text: str) -> Document | None:
    loaded: object = YAML(typ="safe", pure=True).load(text)  # pyright: ignore[reportUnknownMemberType]  # untyped
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
