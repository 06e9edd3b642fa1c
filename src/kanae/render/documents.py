"""Configuration documents as dicts, and their YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO

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


def merged(base: Mapping[str, object], over: Mapping[str, object]) -> Document:
    """`over` laid on `base`: mappings key by key, everything else replaced. RFC 7386 without null."""
    result: Document = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value  # pyright: ignore[reportUnknownArgumentType]  # isinstance forgets the parameters
    return result
