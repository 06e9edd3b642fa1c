"""YAML that readers of version 1.1 and of version 1.2 take for the same.

kubeadm, kubelet and kubectl read 1.1 as Go's libraries do (gopkg.in/yaml.v2, resolve.go): there
`on` and `y` are booleans, `0777` and `0X1F` numbers, and underscores within numbers are nothing.
Sources: yaml.org/type (1.1), YAML 1.2.2 section 10.3.2.
"""

# ruamel.yaml has hardly any types.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import re
from datetime import date, datetime
from enum import Enum
from io import StringIO

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import VersionedResolver

# What is no text to some reader, without the underscores that may stand anywhere in a number.
_NOT_TEXT = re.compile(
    r"(?ix) | ~ | null | true | false | y | n | yes | no | on | off | = | << | \."
    r"| [-+]? ( 0x[0-9a-f]+ | 0b[01]+ | 0o[0-7]+ )"
    r"| [-+]? ( \.[0-9]+ | [0-9]+ (\.[0-9]*)? ) ( e[-+]?[0-9]+ )?"
    r"| [-+]? [0-9]+ ( :[0-9]{1,2} )+ ( \.[0-9]* )?"
    r"| [-+]? \.inf | \.nan"
    r"| [0-9]{4} - [0-9]{1,2} - [0-9]{1,2} ( [t\s] .* )?"
)
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
# Ends of lines to one version and not to the other, and what is not to be seen in a file.
_ESCAPED = re.compile("[\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff]")
_WIDTH = 1 << 20  # no line is broken: certificates are long words


class AsWritten(str):
    """An unquoted scalar of somebody's file that not every reader takes for the same value.

    It is written as it was read, so that whoever reads the file goes on to read what he did.
    """

    __slots__ = ()


def is_text_to_all(text: str) -> bool:
    """Whether every reader takes these characters, unquoted, for text."""
    return not _NOT_TEXT.fullmatch(text.replace("_", ""))


def plain_yaml(document: object) -> str:
    """One document of mappings, lists and scalars, keys in the order given.

    Enums are written by their values, and everything that is no value of YAML's by its text.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # pyright: ignore[reportAttributeAccessIssue]  # declared as a bare None
    yaml.width = _WIDTH
    yaml.allow_unicode = True
    stream = StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def read_yaml(text: str) -> object:
    """The one document of a text that `plain_yaml` has written, or the like. Raises YAMLError."""
    return YAML(typ="safe", pure=True).load(text)


def read_documents(text: str) -> list[object]:
    """As `read_yaml`, all documents of a text."""
    return list(YAML(typ="safe", pure=True).load_all(text))


def read_as_written(text: str) -> object:
    """The document of somebody's file: true, false, null, decimal numbers and plain text as
    values, all other unquoted scalars as `AsWritten`. Raises YAMLError."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    return yaml.load(text)


class _Representer(SafeRepresenter):
    def ignore_aliases(self, data: object) -> bool:
        return True

    def text(self, data: str) -> ScalarNode:
        style = '"' if _ESCAPED.search(data) else None if is_text_to_all(data) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", str.__str__(data), style=style)

    def as_written(self, data: AsWritten) -> ScalarNode:
        tag = VersionedResolver().resolve(ScalarNode, str(data), (True, False))
        return self.represent_scalar(tag, str(data))

    def number(self, data: float) -> ScalarNode:
        """With a point, without which 1e+16 is text to readers of 1.1."""
        node = self.represent_float(data)
        if "." not in node.value:
            node.value = node.value.replace("e", ".0e", 1)
        return node

    def member(self, data: Enum) -> ScalarNode:
        return self.represent_data(data.value)

    def other(self, data: object) -> ScalarNode:
        return self.text(str(data))


_Representer.add_representer(str, _Representer.text)
_Representer.add_representer(float, _Representer.number)
_Representer.add_representer(AsWritten, _Representer.as_written)
for _type in (date, datetime):
    _Representer.add_representer(_type, _Representer.other)
_Representer.add_multi_representer(Enum, _Representer.member)
_Representer.add_multi_representer(str, _Representer.text)
_Representer.add_multi_representer(object, _Representer.other)


class _Constructor(SafeConstructor):
    def as_written(self, node: ScalarNode) -> object:
        text = self.construct_scalar(node)
        plain = node.style in (None, "")
        if plain and _WHOLE.fullmatch(text):
            return int(text)
        return AsWritten(text) if plain and not is_text_to_all(text) else text


for _kind in ("str", "int", "float", "timestamp", "value"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_kind}", _Constructor.as_written)
