"""Broken specs and the very words that a person gets for them: broken/NAME.yaml -> NAME.txt."""

from __future__ import annotations

from pathlib import Path

import pytest

from kanae.errors import SpecError
from kanae.spec.load import loads

BROKEN = Path(__file__).parent / "broken"


@pytest.mark.parametrize("name", sorted(path.stem for path in BROKEN.glob("*.yaml")))
def test_a_broken_spec_is_refused_with_all_its_problems_in_order(name: str) -> None:
    file = BROKEN / f"{name}.yaml"
    with pytest.raises(SpecError) as caught:
        loads(file.read_text(), file.name)
    assert str(caught.value) + "\n" == file.with_suffix(".txt").read_text()


def test_every_golden_text_has_its_spec() -> None:
    texts = {path.stem for path in BROKEN.glob("*.txt")}
    assert texts
    assert texts == {path.stem for path in BROKEN.glob("*.yaml")}


def test_no_message_speaks_of_the_validation_library() -> None:
    for text in BROKEN.glob("*.txt"):
        assert "pydantic" not in text.read_text()
        assert "Input should" not in text.read_text()
