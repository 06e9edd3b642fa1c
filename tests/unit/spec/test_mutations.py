"""Generated broken specs (2,500, or KANAE_MUTATIONS): each is a SpecError in words, or a spec."""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kanae.errors import SpecError, SpecProblem
from kanae.spec.load import load, loads
from kanae.spec.models import Spec
from kanae.spec.reader import parse
from kanae.spec.sample import SAMPLES, sample
from kanae.spec.tree import plain

ROUNDS = int(os.environ.get("KANAE_MUTATIONS", "2500"))
PARTS = 4

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))
TEXTS = [
    Path(__file__).with_name("full.yaml").read_text(),
    *(path.read_text() for path in EXAMPLES),
    *(sample(name, name="x", file="x.yaml", kubernetes="v1.37.2") for name in SAMPLES),
]


class Raw(str):
    """A value written as it is, without quotes."""

    __slots__ = ()


WEIRD = [Raw(token) for token in (
    "", "~", "null", "true", "no", "1.30", "-1", "0", "65536", "007", "0x1F", "1e3", ".inf",
    ".NaN", "99999999999999999999999999", "12:30:45", "2026-11-24", "[]", "{}", "[[]]", "[{}]",
    "{a: 1}", "&a x", "*a", "&a [*a]", "!!int x", "!x y", "<<", "? ", "|", ">-", "%", "@", "`",
    "\t", "'", '"', "#", "- ", ": ", "a: b", "10.0.0.0", "10.0.0.1/8", "0.0.0.0/0",
    "10.0.0.0/33", "::1", "1.2.3", "255.255.255.255", "v1.37", "v1.37.2", "v9.99.999",
    "../../etc/passwd", "sha256:0", "http://", "https://user:pw@h/x", "control-plane", "worker",
    "etcd", "load-balancer", "external", "stacked", "bundle", "mirror", "haproxy", "off",
    '"\\ud800"', '"\\x00"', '"\\n"', '"\\e[2J"', "é", "日本", "\U0001f600", "a" * 300, "[" * 50,
    "x" * 70 + "." + "y" * 300,
)]  # fmt: skip

Slot = tuple[Any, Any]


def is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def is_list(value: Any) -> bool:
    return isinstance(value, list)


def slots(value: Any) -> Iterator[Slot]:
    """Every place in a tree: its container and key or index."""
    keys: Any = ()
    if is_dict(value):
        keys = list(value)
    elif is_list(value):
        keys = range(len(value))
    for key in keys:
        yield value, key
        yield from slots(value[key])


def flow(value: Any) -> str:
    """A tree as YAML in brackets; Raw as it is."""
    if isinstance(value, Raw):
        return value
    if is_dict(value):
        items: Any = value.items()
        return "{" + ", ".join(f"{flow(Raw(key))}: {flow(item)}" for key, item in items) + "}"
    if is_list(value):
        inner: Any = value
        return "[" + ", ".join(flow(item) for item in inner) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return {"True": "true", "False": "false", "None": "null"}.get(str(value), str(value))


def delete(slot: Slot, _: list[Slot], random: Random) -> None:
    del slot[0][slot[1]]


def replace(slot: Slot, _: list[Slot], random: Random) -> None:
    slot[0][slot[1]] = random.choice(WEIRD)


def wrap(slot: Slot, _: list[Slot], random: Random) -> None:
    value = slot[0][slot[1]]
    slot[0][slot[1]] = random.choice([[value], {"x": value}, [value, value], {str(value): value}])


def transplant(slot: Slot, others: list[Slot], random: Random) -> None:
    other = random.choice(others)
    slot[0][slot[1]] = copy.deepcopy(other[0][other[1]])


def rename(slot: Slot, others: list[Slot], random: Random) -> None:
    container, key = slot
    if is_dict(container):
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in str(key))
        names = [snake, str(key)[:-1], str(key) + "s", str(key).upper(), str(random.choice(WEIRD))]
        container[random.choice([*names, *(str(k) for _, k in others)])] = container.pop(key)


def double(slot: Slot, _: list[Slot], random: Random) -> None:
    container, key = slot
    if is_dict(container):
        container[f"{key} "] = copy.deepcopy(container[key])  # the space vanishes in YAML
    else:
        container.insert(key, container[key])


TREE_MUTATIONS: list[Callable[[Slot, list[Slot], Random], None]] = [
    delete, replace, replace, wrap, transplant, rename, double,
]  # fmt: skip


@cache
def tree_of(text: str) -> Any:
    root, _ = parse(text)
    assert root is not None
    return plain(root)


def mutated_tree(text: str, random: Random) -> bytes:
    tree = copy.deepcopy(tree_of(text))
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        places = list(slots(tree))
        if not places:
            break
        random.choice(TREE_MUTATIONS)(random.choice(places), places, random)
    return flow(tree).encode("utf-8", "surrogatepass")


def mutated_text(text: str, random: Random) -> bytes:
    content = bytearray(text.encode())
    for _ in range(random.choice((1, 1, 2, 8))):
        start = random.randrange(len(content) + 1)
        end = min(len(content), start + random.choice((0, 1, 2, 10, 60)))
        junk = random.choice(
            [
                b"",
                random.randbytes(random.choice((1, 2, 8))),
                random.choice(WEIRD).encode("utf-8", "surrogatepass"),
                bytes(random.choices(b"\t\n :,-[]{}#&*!|>'\"%@`?~<\r\x00\xff", k=3)),
                bytes(content[start:end]) * 2,
                content[(at := random.randrange(len(content) + 1)) : at + 30],
            ]
        )
        content[start:end] = junk
    return bytes(content)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutations") / "spec.yaml"


def problems_of(file: Path) -> tuple[SpecProblem, ...]:
    """What is wrong with a file, () when it is a spec; any other exception is a bug."""
    try:
        assert isinstance(load(file), Spec)
    except SpecError as error:
        return error.problems
    return ()


# In parts, which may run beside each other.
@pytest.mark.parametrize("part", range(PARTS))
def test_broken_specs_give_no_traceback(file: Path, part: int) -> None:
    outcomes = Counter[str]()

    @settings(
        max_examples=ROUNDS // PARTS,
        deadline=None,  # wall time tells of the machine; CPU time is looked at below
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.integers(0, 2**64 - 1))
    def load_one(seed: int) -> None:
        random = Random(part << 64 | seed)
        mutation = random.choice((mutated_tree, mutated_tree, mutated_text))
        content = mutation(random.choice(TEXTS), random)
        file.write_bytes(content)
        before = process_time()
        problems = problems_of(file)
        assert process_time() - before < 2
        outcomes["refused" if problems else "valid"] += 1
        lines = content.count(b"\n") + content.count(b"\r") + 2
        for problem in problems:
            assert problem.message
            assert 0 <= problem.line <= lines
            assert str(problem).isprintable()
            assert "pydantic" not in problem.message
            assert "Input should" not in problem.message

    load_one()
    # Most of them were broken, and some were not.
    assert outcomes["refused"] > 0.6 * ROUNDS / PARTS
    assert outcomes["valid"] > 0.01 * ROUNDS / PARTS


def test_the_unbroken_texts_load() -> None:
    for text in TEXTS:
        assert loads(text, "text").hosts
