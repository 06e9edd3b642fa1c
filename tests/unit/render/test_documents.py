"""Documents as YAML, written once and read once however often they are asked for."""

from __future__ import annotations

from kanae.render.documents import Document, from_yaml, to_yaml


def test_keys_stay_in_their_order_and_documents_apart() -> None:
    text = to_yaml([{"b": 1, "a": [True, None, "1"]}, {"c": {}}])
    assert text.splitlines()[-6:] == ["a:", "- true", "- null", "- '1'", "---", "c: {}"]
    assert text.index("b: 1") < text.index("a:")


def test_a_document_that_was_changed_is_written_anew() -> None:
    document: Document = {"a": {"b": 1}}
    before = to_yaml([document])
    document["a"] = {"b": 2}
    assert to_yaml([document]) == before.replace("b: 1", "b: 2")


def test_values_that_are_equal_but_not_the_same_are_told_apart() -> None:
    texts = {to_yaml([{"a": value}]) for value in (1, True, 1.0, "1", "true")}
    assert len(texts) == 5
    assert to_yaml([{"a": 1, "b": 2}]) != to_yaml([{"b": 2, "a": 1}])


def test_what_was_read_belongs_to_the_reader() -> None:
    first = from_yaml("a: {b: 1}")
    assert first is not None
    first["a"] = "changed"
    assert from_yaml("a: {b: 1}") == {"a": {"b": 1}}


def test_a_text_that_is_no_mapping_is_nothing() -> None:
    assert from_yaml("") is None
    assert from_yaml("[1, 2]") is None
