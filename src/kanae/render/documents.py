"""Configuration documents as dicts, and their YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import cast

from ruamel.yaml import YAML

from kanae.render.banner import banner

Document = dict[str, object]


def to_yaml(documents: Sequence[Mapping[str, object]]) -> str:
    """All documents in one text, keys in the order given, with the banner on top."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # pyright: ignore[reportAttributeAccessIssue]  # declared as a bare None
    yaml.width = 1000
    texts: list[str] = []
    for document in documents:
        stream = StringIO()
        yaml.dump(document, stream)  # pyright: ignore[reportUnknownMemberType]  # its stream is untyped
        texts.append(stream.getvalue())
    return banner() + "---\n".join(texts)


def from_yaml(text: str) -> Document | None:
    """The one document of a text; None when it is empty or no mapping."""
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
