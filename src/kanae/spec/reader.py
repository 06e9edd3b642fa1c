"""YAML text to a tree of nodes.

The tree is built from the parser's events rather than from a loader's finished objects, so that
duplicate keys, ambiguous scalars and aliases are judged where they are written, and so that a
hostile file (deep nesting, aliases that multiply) is refused before it costs anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from kanae.spec.scalar import CONTROL, quoted, resolve
from kanae.spec.tree import Flaw, Mapping, Node, Path, Scalar, Sequence

# Far above what a spec needs (500 hosts are about 60 kB), far below what hurts.
MAX_BYTES = 512 << 10
# Whoever has more mistakes than this passed something that is no spec.
MAX_FLAWS = 100
MAX_DEPTH = 32
# Values and characters of text after aliases are followed, one budget for both.
MAX_WEIGHT = 2 * MAX_BYTES


class Unreadable(Exception):
    """The text cannot be read any further than the flaw."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.message)
        self.flaw = flaw


_KINDS = {
    "tag:yaml.org,2002:str": Scalar,
    "tag:yaml.org,2002:map": Mapping,
    "tag:yaml.org,2002:seq": Sequence,
}


class _Builder:
    """Reads one document from the events. flaws: what is wrong but does not stop the reading."""

    def __init__(self, text: str) -> None:
        # Events come from an untyped part of ruamel.yaml: their fields are checked by use.
        parser: Any = YAML(typ="safe", pure=True)
        self.events: Iterator[Any] = parser.parse(text)
        self.flaws: list[Flaw] = []
        self.anchors: dict[str, Node | None] = {}
        self.weight = 0

    def document(self) -> Node | None:
        """The one document's root, or None when there is nothing but comments."""
        root: Node | None = None
        for event in self.events:
            match type(event).__name__:
                case "StreamStartEvent" | "StreamEndEvent" | "DocumentEndEvent":
                    continue
                case "DocumentStartEvent":
                    if root is not None:
                        raise self.stop(event, (), "expected one YAML document, not two")
                case _:
                    root = self.node(event, ())
        return root

    def stop(self, event: Any, path: Path, message: str) -> Unreadable:
        mark = event.start_mark
        return Unreadable(Flaw(mark.line + 1, mark.column + 1, path, message))

    def flaw(self, node: Node, path: Path, message: str) -> None:
        flaw = Flaw(node.line, node.column, path, message)
        if len(self.flaws) >= MAX_FLAWS:
            raise Unreadable(flaw)
        self.flaws.append(flaw)

    def node(self, event: Any, path: Path) -> Node:
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self.alias(event, path)
        if event.anchor is not None:
            # Set when the node is complete: an alias inside it would make it endless.
            self.anchors[event.anchor] = None
        if len(path) >= MAX_DEPTH:
            raise self.stop(event, path, f"expected at most {MAX_DEPTH} levels of nesting")
        node: Node
        if kind == "ScalarEvent":
            node = self.scalar(event, line, column, path)
        elif kind == "SequenceStartEvent":
            node = self.sequence(line, column, path)
        else:
            node = self.mapping(line, column, path)
        tag = event.tag
        if tag is not None and tag != "!" and _KINDS.get(tag) is not type(node):
            self.flaw(node, path, f"expected a value without a YAML tag, not {quoted(str(tag))}")
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def spend(self, event: Any, path: Path, weight: int) -> None:
        self.weight += weight
        if self.weight > MAX_WEIGHT:
            raise self.stop(event, path, "too much YAML: aliases multiply it beyond reason")

    def alias(self, event: Any, path: Path) -> Node:
        name = event.anchor
        if name not in self.anchors:
            raise self.stop(event, path, f"alias {quoted(name)} names no anchor above it")
        target = self.anchors[name]
        if target is None:
            raise self.stop(event, path, f"alias {quoted(name)} stands inside its own anchor")
        if len(path) + target.height >= MAX_DEPTH:
            raise self.stop(event, path, f"expected at most {MAX_DEPTH} levels of nesting")
        self.spend(event, path, target.weight)
        return target

    def scalar(self, event: Any, line: int, column: int, path: Path) -> Scalar:
        text: str = event.value
        quoted = event.style is not None and event.style != ""
        value: bool | int | float | str | None = text
        wrong = ""
        if not quoted and event.tag is None:
            value, wrong = resolve(text)
        if isinstance(value, str) and CONTROL.search(value):
            wrong = "expected text without control characters"
            value = CONTROL.sub("?", value)
        node = Scalar(line, column, text, value, quoted, weight=1 + len(text))
        self.spend(event, path, node.weight)
        if wrong:
            self.flaw(node, path, wrong)
        return node

    def sequence(self, line: int, column: int, path: Path) -> Sequence:
        node = Sequence(line, column)
        for event in self.events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            item = self.node(event, (*path, len(node.items)))
            node.items.append(item)
            node.weight += item.weight
            node.height = max(node.height, item.height + 1)
        return node

    def mapping(self, line: int, column: int, path: Path) -> Mapping:
        node = Mapping(line, column)
        for event in self.events:
            if type(event).__name__ == "MappingEndEvent":
                break
            key = self.key(event, path)
            inner = path if key is None else (*path, key.text)
            value = self.node(next(self.events), inner)
            node.weight += value.weight + (0 if key is None else key.weight)
            node.height = max(node.height, value.height + 1)
            if key is None:
                continue
            if (first := node.items.get(key.text)) is not None:
                self.flaw(key, inner, f"given twice; first on line {first[0].line}")
                continue
            node.items[key.text] = (key, value)
        return node

    def key(self, event: Any, path: Path) -> Scalar | None:
        """A mapping's key, or None when it is no text that could name a field."""
        before = len(self.flaws)
        if type(event).__name__ not in ("ScalarEvent", "AliasEvent"):
            raise self.stop(event, path, "expected a name before the colon, not a list or mapping")
        node = self.node(event, path)
        if not isinstance(node, Scalar):
            raise self.stop(event, path, "expected a name before the colon, not a list or mapping")
        del self.flaws[before:]  # `on:` and `off:` are names here, not doubtful values
        if node.text == "<<" and not node.quoted:
            self.flaw(node, path, "expected a name; merge keys (<<) are not read, use an alias")
            return None
        if not node.text.isprintable():
            self.flaw(node, path, f"expected a name on one line, not {quoted(node.text)}")
            return None
        if not isinstance(node.value, str):
            self.flaw(node, path, f"expected text as a name; put {quoted(node.text)} in quotes")
            return None
        return node


_REWORDED = (
    (
        re.compile(r"found character '\\t' that cannot start any token"),
        "a tab stands where YAML wants spaces; indent with spaces",
    ),
    (
        re.compile(r"mapping values are not allowed here"),
        "a second `: ` on one line; put the text in quotes, or check the line's indentation",
    ),
    (
        re.compile(r"could not find expected ':'"),
        "expected `name: value`; the colon or the space after it is missing",
    ),
    (
        re.compile(r"expected <block end>, but found"),
        "this fits neither the line above nor what surrounds it; check indentation and brackets",
    ),
    (
        re.compile(r"expected '<document start>', but found"),
        "this does not belong to what stands above; check the indentation, here and above",
    ),
    (
        re.compile(r"expected the node content, but found"),
        "expected a value here",
    ),
    (
        re.compile(r"found character '([^\\])' that cannot start any token"),
        r"text that begins with \1 needs quotes",
    ),
    (
        re.compile(r"found unexpected end of stream"),
        "the file ends inside quotes that were opened above",
    ),
    (
        re.compile(r"expected ',' or '[]}]'"),
        "expected `,` or the closing bracket of a list or mapping in brackets",
    ),
)


def _syntax_flaw(error: YAMLError, text: str) -> Flaw:
    if isinstance(error, ReaderError):
        place: Any = error
        position = int(place.position)
        before = text[:position]
        line = before.count("\n") + 1
        column = position - (before.rfind("\n") + 1) + 1
        return Flaw(line, column, (), f"character U+{ord(text[position]):04X} is not allowed")
    line = column = 0
    message = "this is not YAML"
    if isinstance(error, MarkedYAMLError):
        marked: Any = error
        mark = marked.problem_mark or marked.context_mark
        if mark is not None:
            line, column = mark.line + 1, mark.column + 1
        message = str(marked.problem or marked.context or message)
    for pattern, words in _REWORDED:
        if found := pattern.search(message):
            return Flaw(line, column, (), found.expand(words))
    return Flaw(line, column, (), f"not valid YAML: {message}")


def parse(text: str) -> tuple[Node | None, list[Flaw]]:
    """The tree of one YAML document, None when empty or unreadable, with all flaws found."""
    builder = _Builder(text)
    try:
        return builder.document(), builder.flaws
    except Unreadable as stop:
        return None, [*builder.flaws, stop.flaw]
    except YAMLError as error:
        return None, [*builder.flaws, _syntax_flaw(error, text)]
