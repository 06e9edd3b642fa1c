"""Edits of a spec's text: its comments, order and layout stay."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kanae.errors import Refused
from kanae.spec.load import SpecText
from kanae.spec.models import Spec
from kanae.spec.reader import parse
from kanae.spec.tree import Node, Scalar, find, key_of

# Where a line begins, as YAML's reader counts them.
_LINE = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")
_QUOTED = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:[^']|'')*'")


def with_host(text: SpecText, host: str, name: str, address: IPv4Address) -> SpecText:
    """The text in which another machine stands in the place of `host`: its name and its address.
    The commands for the old one's power are taken away, since they switch that one.

    Raises SpecError for a text that is no spec afterwards, Refused where it cannot be edited
    without changing more, as where the address is an alias of YAML.
    """
    before = text.load()
    root, _ = parse(text.text)
    changed = text.text
    if root is not None:
        # From the end, so that places before it stay what they are.
        changed = _put(changed, find(root, ("hosts", host, "address")), str(address))
        changed = _put(changed, key_of(root, ("hosts", host)), name)
        changed = _take_out(changed, ("hosts", name, "power"))
    edited = SpecText(changed, text.name)
    if edited.load() != _expected(before, host, name, address):
        raise Refused(
            f"{text.name} is written in a way in which {host} cannot be exchanged for {name} "
            f"({address}) without changing more",
            remedy=f"write {name} in the place of {host} yourself, then: kanae apply",
        )
    return edited


def _put(text: str, node: Node | None, value: str) -> str:
    if not isinstance(node, Scalar):
        return text
    lines = _LINE.split(text)
    line, start = lines[node.line - 1], node.column - 1
    quotes = _QUOTED.match(line, start)
    if quotes is None and not line.startswith(node.text, start):
        return text
    end = quotes.end() if quotes else start + len(node.text)
    lines[node.line - 1] = line[:start] + value + line[end:]
    return "".join(lines)


def _take_out(text: str, path: tuple[str, ...]) -> str:
    """Without the entry at a path, if it is there: of a mapping in braces with its comma, of
    another one with its whole lines."""
    yaml: Any = YAML(typ="safe", pure=True)  # what it composes is untyped: checked by the result
    *parents, last = path
    try:
        node = yaml.compose(text)
        for name in parents:
            node = next(value for key, value in node.value if key.value == name)
        place = next(n for n, (key, _) in enumerate(node.value) if key.value == last)
    except (YAMLError, StopIteration, AttributeError, TypeError, ValueError):
        return text
    key, value = node.value[place]
    if node.flow_style:
        if place:
            start, end = _end(node.value[place - 1][1]), _end(value)
        else:
            start, end = key.start_mark.index, node.value[1][0].start_mark.index
        return text[:start] + text[end:]
    begins = [0, *(match.end() for match in _LINE.finditer(text))]
    start = max(begin for begin in begins if begin <= key.start_mark.index)
    end = min((begin for begin in begins if begin >= _end(value)), default=len(text))
    return text[:start] + text[end:]


def _end(node: Any) -> int:
    """Where a value ends. YAML's reader counts what follows a block, as comments, with it."""
    if node.id == "scalar" or not node.value or node.flow_style:
        end: int = node.end_mark.index
        return end
    last: Any = node.value[-1]
    return _end(last[1] if node.id == "mapping" else last)


def _expected(spec: Spec, host: str, name: str, address: IPv4Address) -> Spec:
    hosts = {
        (name if each == host else each): (
            entry.model_copy(update={"address": address, "power": None}) if each == host else entry
        )
        for each, entry in spec.hosts.items()
    }
    return spec.model_copy(update={"hosts": hosts})
