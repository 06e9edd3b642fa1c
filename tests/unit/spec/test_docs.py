"""docs/spec.md speaks of every field, and its examples load."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kanae.errors import SpecError
from kanae.layout import paths
from kanae.render import weave
from kanae.spec.load import loads
from kanae.spec.schema import json_schema

DOCS = (Path(__file__).parents[3] / "docs" / "spec.md").read_text()
# Fields of list items and of `power` stand in the row of the list.
IN_A_ROW = {"taints", "power", "manifests", "images", "former"}


def _fields(part: dict[str, Any], prefix: str) -> Iterator[str]:
    definitions = json_schema()["$defs"]
    for name, field in part["properties"].items():
        found = re.search(r"#/\$defs/(\w+)", str(field))
        inner: dict[str, Any] = definitions[found[1]] if found else {}
        path = f"{prefix}{name}"
        if name == "hosts":
            path += ".*"
        if "properties" in inner and name not in IN_A_ROW and path != "hosts.*.ssh":
            yield from _fields(inner, path + ".")
        else:
            yield path


@pytest.mark.parametrize("path", sorted(set(_fields(json_schema(), "")) - {"name", "kubernetes"}))
def test_every_field_has_a_row(path: str) -> None:
    assert f"| `{path}` |" in DOCS


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL))
def test_every_example_loads(text: str) -> None:
    assert loads(text, "docs/spec.md").hosts


def test_the_errors_shown_are_those_that_are_given() -> None:
    text = "name: a\nkubernetes: 1.30\nhosts:\n  a: {adress: 10.0.0.1, roles: [control-plane]}\n"
    with pytest.raises(SpecError) as caught:
        loads(text, "cluster.yaml")
    messages = [problem.message for problem in caught.value.problems]
    assert [message in DOCS for message in messages] == [True, True]


@pytest.mark.parametrize("reference", [weave.IMAGE, weave.POLICY_IMAGE])
def test_the_images_that_weave_wants_are_named(reference: str) -> None:
    assert f"    {reference}\n" in DOCS


def test_upgrades_by_hand_are_given_the_folder_of_patches() -> None:
    assert DOCS.count(f"--patches {paths.PATCHES}") == 2
