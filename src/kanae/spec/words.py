"""Validation errors of the models in words for people who write a spec."""

from __future__ import annotations

import re
import types
from difflib import get_close_matches
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from kanae.spec.scalar import quoted
from kanae.spec.text import PATTERNS
from kanae.spec.tree import Node, Path, Scalar

_BOUNDS: dict[str, tuple[str, str]] = {
    "greater_than": ("gt", "a number above"),
    "greater_than_equal": ("ge", "a number of at least"),
    "less_than": ("lt", "a number below"),
    "less_than_equal": ("le", "a number of at most"),
}


# Other names of what a field takes, bare of case and dashes -> the one that it takes.
_ALSO_CALLED: dict[str, str] = {
    "master": "control-plane",
    "controller": "control-plane",
    "apiserver": "control-plane",
    "node": "worker",
    "agent": "worker",
    "minion": "worker",
    "lb": "load-balancer",
    "haproxy": "load-balancer",
    "kubectl": "client",
}


def shown(node: Node | None) -> str:
    """What stands in the file, for a message."""
    if isinstance(node, Scalar):
        return "nothing" if node.value is None and not node.text else quoted(node.text)
    return "a list" if type(node).__name__ == "Sequence" else "a mapping"


def nearest_name(wrong: str, known: list[str]) -> str:
    """The known name that was probably meant, whatever its case and dashes, else ""."""
    by_bare = {re.sub(r"[-_ ]", "", name).lower(): name for name in known}
    # Names are short: what is longer than this is nobody's slip, and comparing it costs time.
    bare = re.sub(r"[-_ ]", "", wrong[:80]).lower()
    if (meant := _ALSO_CALLED.get(bare.removesuffix("s"))) in known:
        return meant
    near = get_close_matches(bare, list(by_bare), 1, 0.6)
    return by_bare[near[0]] if near else ""


def suggestion(wrong: str, known: list[str]) -> str:
    """The nearest known name, or all of them when none is near."""
    near = nearest_name(wrong, known)
    return f"did you mean `{near}`?" if near else "known are " + ", ".join(known)


def _bare(annotation: Any) -> tuple[Any, list[Any]]:
    """An annotation without Annotated and `| None`, and what Annotated said."""
    constraints: list[Any] = []
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *said = get_args(annotation)
            constraints += said
        elif origin in (Union, types.UnionType):
            annotation = next(arg for arg in get_args(annotation) if arg is not types.NoneType)
        else:
            return annotation, constraints


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _declared(model: type[BaseModel], path: Path) -> tuple[Any, list[Any]]:
    """The bare type declared for a path of camelCase names (None when unknown), its constraints."""
    here: Any = model
    constraints: list[Any] = []
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = _fields(here).get(str(part))
            if field is None:
                return None, []
            here, constraints = _bare(field.annotation)
            constraints += field.metadata
        elif get_origin(here) in (dict, list):
            here, constraints = _bare(get_args(here)[-1])
        else:
            return None, []
    return here, constraints


def known_fields(model: type[BaseModel], path: Path) -> list[str]:
    """camelCase names of the fields that a mapping at a path may have."""
    here, _ = _declared(model, path)
    return list(_fields(here)) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _choices(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return []


_TYPES: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a mapping of names to values",
    IPv4Address: "an IPv4 address such as 10.0.0.10",
    IPv4Network: "an IPv4 network such as 10.244.0.0/16",
    PurePosixPath: "a path",
}


def _pattern(constraints: list[Any]) -> str:
    """The regular expression among a field's constraints that PATTERNS explains, else ""."""
    for constraint in constraints:
        if isinstance(constraint, StringConstraints) and constraint.pattern in PATTERNS:
            return str(constraint.pattern)
    return ""


def _expected(model: type[BaseModel], path: Path) -> str:
    """What the field at a path holds, in words."""
    declared, constraints = _declared(model, path)
    if choices := _choices(declared):
        return "one of " + ", ".join(choices)
    if pattern := _pattern(constraints):
        return PATTERNS[pattern]
    if isinstance(declared, type) and issubclass(declared, BaseModel):
        return "a mapping of " + ", ".join(_fields(declared))
    if get_origin(declared) is list and (choices := _choices(_bare(get_args(declared)[0])[0])):
        return "a list of " + ", ".join(choices)
    return _TYPES.get(get_origin(declared) or declared, "a value")


def _quote_hint(node: Node | None, pattern: str) -> str:
    if not isinstance(node, Scalar) or isinstance(node.value, str | None):
        return ""
    number = "" if isinstance(node.value, bool) else f" but the number {node.value}"
    read = f"{node.text} without quotes is no text{number};"
    if re.search(pattern, node.text):
        return f'{read} write it in quotes, as "{node.text}"'
    return f"{read} put such text in quotes"


def describe(model: type[BaseModel], error: ErrorDetails, node: Node | None) -> str:
    """One validation error in words; node: what stands at its place, None when nothing does."""
    kind = error["type"]
    path = error["loc"]
    context: dict[str, Any] = error.get("ctx", {})
    if path and path[-1] == "[key]":
        words = PATTERNS.get(str(context.get("pattern")), "another name")
        return f"expected {words}, not {quoted(str(path[-2]))}"
    if kind == "extra_forbidden":
        return f"unknown field; {suggestion(str(path[-1]), known_fields(model, path[:-1]))}"
    expected = _expected(model, path)
    if kind == "missing":
        return f"missing; expected {expected}"
    if kind in ("enum", "literal_error"):
        text = node.text if isinstance(node, Scalar) else ""
        near = nearest_name(text, _choices(_declared(model, path)[0]))
        hint = f"; did you mean {near}?" if near else ""
        return f"expected {expected}, not {shown(node)}{hint}"
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"expected {words} {context[name]:g}, not {shown(node)}"
    if kind == "too_short":
        return "expected at least one entry"
    declared, constraints = _declared(model, path)
    if declared is str and (hint := _quote_hint(node, _pattern(constraints))):
        return f"expected {expected}; {hint}"
    if (network := _network_around(path, model, node)) is not None:
        return f"expected a network without host bits, {network}, not {shown(node)}"
    return f"expected {expected}, not {shown(node)}"


def _network_around(path: Path, model: type[BaseModel], node: Node | None) -> IPv4Network | None:
    if not isinstance(node, Scalar) or _declared(model, path)[0] is not IPv4Network:
        return None
    try:
        return IPv4Network(node.text, strict=False)
    except ValueError:
        return None
