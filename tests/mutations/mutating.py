"""Broken inputs, made from sound ones by a seed: in their bytes, their structure, their values."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any, Final

CANARY: Final = "pwned"
# What a shell, a path, a terminal, a number or YAML would read as more than a text.
BITING: Final[tuple[Any, ...]] = (
    f"$(touch {CANARY})", f"`touch {CANARY}`", f"'; touch {CANARY}; '", f'"; touch {CANARY}; "',
    f"a\ntouch {CANARY}\n", f"a & touch {CANARY} &", f"a|tee {CANARY}", f">{CANARY}",
    f"-- {CANARY}", f"${{IFS}}{CANARY}", f"~{CANARY}/x", f"~/{CANARY}", "../../escaped",
    "/../../tmp/escaped", "x/../../escaped", "%s%n%1$s", f"{{{CANARY}}}",
    "a\x00b", "\x1b[2J\x1b]0;x\x07", "\r\n", "\u202e\u2066", "\ud800", "\udcff", "\ufeff", "é" * 99,
    "\u0663", "\u0967\u066b\u096b", "\uff11\uff12", "v1.\u0663\u0667.\u0662",
    "0x1F", "0o7", "007", "1_000", "1e3", "1e999", "-0", "NaN",
    "on", "Off", "yes", "No", "y", "~", "null", "=", "<<", "12:30:45", "2026-01-01", "0b1", "+1",
    "", " ", "\t", "a" * 5000, "[" * 2000, "sha256:", "sha256:" + "a" * 64, "sha256:../../x",
    0, -1, 1, 65536, 2**31, 2**63, 10**30, 10**400, -(10**400), 0.0, -1.5, 1e308, float("inf"),
    float("nan"), True, False, None, [], {}, [[]], [{}], {"": None}, {"a": {"b": []}}, [None] * 50,
)  # fmt: skip
BYTES: Final = (
    b"", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\r", b"\n", b"\n\n", b"'", b'"', b"\\", b"#",
    b"{", b"}", b"[", b"]", b": ", b"- ", b"&a ", b"*a", b"&a [*a, *a]", b"!!python/object:x ",
    b"!!binary x", b"!!set {a}", b"!!int x", b"!x ", b"<<: *a", b"? ", b"|\n", b">-\n",
    b"---\n", b"...\n", b"\t", b"9" * 5000, b"[" * 2000, b"{a: " * 500, b"\x1b[2J",
    b"$(touch pwned)", b"%YAML 9\n",
    b"\xd9\xa3", b"\xc2\x85", b"\xe2\x80\xa8",
)  # fmt: skip


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value] if depth % 2 else {"a": value}
    return value


def biting(random: Random) -> Any:
    if random.random() < 0.03:
        return nested(random.choice((50, 80, 81)))
    return copy.deepcopy(random.choice(BITING))


def text(random: Random) -> str:
    return str(random.choice([each for each in BITING if isinstance(each, str)]))


def content(sound: bytes, random: Random) -> bytes:
    """Bytes taken out, doubled, moved, or replaced."""
    found = bytearray(sound)
    for _ in range(random.choice((1, 1, 2, 6))):
        start = random.randrange(len(found) + 1)
        end = min(len(found), start + random.choice((0, 1, 1, 3, 20, 200)))
        other = random.randrange(len(found) + 1)
        found[start:end] = random.choice(
            (
                random.choice(BYTES),
                random.choice(BYTES),
                text(random).encode("utf-8", "surrogatepass"),
                random.randbytes(random.choice((1, 2, 8))),
                bytes(found[start:end]) * 2,
                bytes(found[other : other + 40]),
            )
        )
    if random.random() < 0.1:
        del found[random.randrange(len(found) + 1) :]
    return bytes(found)


def _slots(value: Any) -> Iterator[tuple[Any, Any]]:
    keys: Any = ()
    if isinstance(value, dict):
        keys = list(value)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    elif isinstance(value, list):
        keys = range(len(value))  # pyright: ignore[reportUnknownArgumentType]
    for key in keys:
        yield value, key
        yield from _slots(value[key])


def tree(sound: Any, random: Random) -> Any:
    """A JSON-like value with entries lost, renamed, moved, or with values that bite."""
    found = copy.deepcopy(sound)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        slots = list(_slots(found))
        if not slots:
            break
        holder, key = random.choice(slots)
        other, there = random.choice(slots)
        match random.randrange(7):
            case 0:
                del holder[key]
            case 1:
                holder[key] = copy.deepcopy(other[there])
            case 2 if isinstance(holder, dict):
                holder[text(random)] = holder.pop(key)  # pyright: ignore[reportUnknownMemberType]
            case 3:
                holder[key] = [holder[key]]
            case 4 if isinstance(holder[key], str):
                at = random.randrange(len(holder[key]) + 1)
                holder[key] = holder[key][:at] + text(random) + holder[key][at:]
            case _:
                holder[key] = biting(random)
    return found


def dumped(value: Any) -> bytes:
    """JSON; what it has no word for as Python writes it."""
    return json.dumps(value).encode()


def of_json(sound: Any, random: Random) -> bytes:
    if random.random() < 0.3:
        return content(dumped(sound), random)
    return dumped(tree(sound, random))


def of_lines(sound: bytes, random: Random) -> bytes:
    """Lines of text, each word of which may be replaced by one that bites."""
    if random.random() < 0.3:
        return content(sound, random)
    lines = sound.split(b"\n")
    for _ in range(random.choice((1, 1, 3, 10))):
        at = random.randrange(len(lines))
        words = lines[at].split(b" ")
        words[random.randrange(len(words))] = str(
            biting(random) if random.random() < 0.4 else text(random)
        ).encode("utf-8", "surrogatepass")
        lines[at] = b" ".join(words)
        if random.random() < 0.1:
            lines.insert(at, random.choice(lines))
    return b"\n".join(lines)
