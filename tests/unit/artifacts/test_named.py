"""Manifests that a spec names are read as kubectl reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kanae.artifacts import named
from kanae.artifacts.store import Store
from kanae.errors import ArtifactError
from kanae.spec.models import Manifest

HEAD = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n"


def read(text: str, folder: Path, store: Store) -> list[dict[str, object]]:
    (folder / "m.yaml").write_text(text)
    return named.documents([Manifest(source="m.yaml")], folder, store)


def test_modes_are_octal_and_dates_are_text(tmp_path: Path, store: Store) -> None:
    text = HEAD + "a: 0644\nb: 420\nc: 2001-01-01\nd: 2001-99-99\ne: -0x1f\nf: 0\n"
    (document,) = read(text, tmp_path, store)
    found = {key: document[key] for key in "abcdef"}
    assert found == {
        "a": 0o644, "b": 420, "c": "2001-01-01", "d": "2001-99-99", "e": -31, "f": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["a: [", "5", "[5]", "kind: List\nitems: [5]", "- a", "a: !!int x", "a: !x y", "[" * 5000],
)
def test_what_is_no_object_is_told_in_words(text: str, tmp_path: Path, store: Store) -> None:
    with pytest.raises(ArtifactError):
        read(text, tmp_path, store)
