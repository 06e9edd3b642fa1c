"""systemd units and packages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kanae.facts.frame import Answer
from kanae.facts.model import UnitFact


def parse_units(answer: Answer, asked: Sequence[str]) -> dict[str, UnitFact | None]:
    """systemctl answers in the order of asking, one block of properties a unit.

    A unit that systemd has never heard of maps to None; one whose file is gone while it still
    runs is there, with load "not-found".
    """
    blocks = list(_blocks(answer.lines("units")))
    if not blocks:
        return dict.fromkeys(asked)
    if len(blocks) != len(asked):
        raise answer.wrong(f"{len(blocks)} answers about {len(asked)} units")
    return {unit: _unit(block) for unit, block in zip(asked, blocks, strict=True)}


def _blocks(lines: Sequence[str]) -> Iterator[dict[str, str]]:
    block: dict[str, str] = {}
    for line in (*lines, ""):
        name, separator, value = line.partition("=")
        if separator:
            block[name] = value
        elif block:
            yield block
            block = {}


def _unit(block: dict[str, str]) -> UnitFact | None:
    load, active = block.get("LoadState", ""), block.get("ActiveState", "")
    if load == "not-found" and active != "active":
        return None
    since = block.get("ActiveEnterTimestampMonotonic", "")
    microseconds = int(since) if since.isascii() and since.isdigit() and len(since) < 20 else 0
    return UnitFact(
        load=load,
        active=active,
        enabled=block.get("UnitFileState", ""),
        since=microseconds / 1e6 if active == "active" else 0.0,
        stale=block.get("NeedDaemonReload") == "yes",
        dropins=tuple(block.get("DropInPaths", "").split()),
    )


def parse_packages(answer: Answer, asked: Sequence[str]) -> dict[str, str | None]:
    """Version of each package that is installed in full."""
    versions: dict[str, str] = {}
    for line in answer.lines("packages"):
        state, _, rest = line.partition(" ")
        name, _, version = rest.partition(" ")
        if state == "installed" and version:
            versions[name] = version
    return {name: versions.get(name) for name in asked}
