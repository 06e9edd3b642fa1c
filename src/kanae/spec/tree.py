"""A tree of values that know where they stand in their file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"


@dataclass(slots=True)
class Node:
    """A value at a place. line and column count from 1.

    weight: values and characters in it with aliases followed; height: levels below it.
    """

    line: int
    column: int
    weight: int = field(default=1, kw_only=True)
    height: int = field(default=0, kw_only=True)


@dataclass(slots=True)
class Scalar(Node):
    """text: as written, without quotes; quoted: it stood in quotes or in a block."""

    text: str
    value: bool | int | float | str | None
    quoted: bool


@dataclass(slots=True)
class Sequence(Node):
    items: list[Node] = field(default_factory=list[Node])


@dataclass(slots=True)
class Mapping(Node):
    items: dict[str, tuple[Scalar, Node]] = field(default_factory=dict[str, tuple[Scalar, Node]])


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong with the text at a place; path: the keys that lead there."""

    line: int
    column: int
    path: Path
    message: str


def plain(node: Node) -> Plain:
    """The node's value as ordinary Python data."""
    if isinstance(node, Mapping):
        return {key: plain(value) for key, (_, value) in node.items.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value if isinstance(node, Scalar) else None


def find(root: Node, path: Path) -> Node | None:
    """The node at a path, None when there is none."""
    node = root
    for part in path:
        if isinstance(node, Mapping) and part in node.items:
            node = node.items[str(part)][1]
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            return None
    return node


def key_of(root: Node, path: Path) -> Node | None:
    """The key that names the value at a path; the value itself for an item of a list."""
    parent = find(root, path[:-1])
    if path and isinstance(parent, Mapping) and path[-1] in parent.items:
        return parent.items[str(path[-1])][0]
    return find(root, path)


def nearest(root: Node, path: Path) -> Node:
    """The value at a path, else the key of the closest thing around it that exists."""
    node = find(root, path)
    if node is not None:
        return node
    for end in range(len(path) - 1, 0, -1):
        node = key_of(root, path[:end])
        if node is not None:
            return node
    return root
