"""A malformed value is reported where it is, and nothing is said of what merely follows from it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kanae.errors import SpecError
from kanae.spec.load import loads
from kanae.spec.reader import parse
from kanae.spec.tree import plain

SPECS = [
    Path(__file__).with_name("full.yaml"),
    *sorted((Path(__file__).parents[3] / "examples").glob("*.yaml")),
]

# Of no field is this the value, save of those that take anything.
MALFORMED: Any = [[[]]]
ANYTHING = ("kubelet", "settings")


def _places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    steps: Any = ()
    if isinstance(value, dict):
        steps = list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - any tree
    elif isinstance(value, list):
        steps = range(len(value))  # pyright: ignore[reportUnknownArgumentType] - any tree
    for step in steps:
        if step not in ANYTHING:
            yield (*path, step)
            yield from _places(value[step], (*path, step))


def _tree(path: Path) -> Any:
    root, _ = parse(path.read_text())
    assert root is not None
    return plain(root)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_one_malformed_value_is_one_problem(path: Path) -> None:
    places = list(_places(_tree(path)))
    assert len(places) >= 8
    for place in places:
        tree = copy.deepcopy(_tree(path))
        here = tree
        for step in place[:-1]:
            here = here[step]
        here[place[-1]] = MALFORMED
        with pytest.raises(SpecError) as caught:
            loads(json.dumps(tree), "f")
        dotted = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in place)[1:]
        found = [problem.path for problem in caught.value.problems]
        assert [name for name in found if not name.startswith(dotted)] == [], str(caught.value)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_missing_field_is_one_problem_at_most_in_its_place(path: Path) -> None:
    for name in _tree(path)["hosts"]:
        for field in ("address", "roles"):
            tree = copy.deepcopy(_tree(path))
            del tree["hosts"][name][field]
            with pytest.raises(SpecError) as caught:
                loads(json.dumps(tree), "f")
            assert [p.path for p in caught.value.problems] == [f"hosts.{name}.{field}"]
