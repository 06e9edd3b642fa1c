"""What kanae writes as YAML is the same to readers of version 1.1, of version 1.2 and to Go's."""

from __future__ import annotations

import re
from datetime import date
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from kanae.execute import kubeconfig
from kanae.render.yaml import plain_yaml, read_as_written, read_yaml

WORDS = """
y Y n N yes Yes YES no No NO on On ON off Off OFF true True TRUE false null Null NULL
1_000 0o7 0O7 0x1f 0X1F 0b11 0B1 0777 -0777 1e3 1E3 1e+3 .5 5. 1. 1_0e3 -1 +1 0 00
.inf -.inf +.Inf .nan .NaN 12:30:45 1:20 190:20:30.15 2001-01-01 = << ~ - . ? : | > @x
%x !x &a *a #x 'x "x [ ] { } , a: a#b ._ _ _1 1__0 1.2.3 10.0.0.1 10.244.0.0/16
"""
TELLING = (
    *WORDS.split(),
    "", " ", "a: b", "a #b", " x", "x ", "\t", "2001-01-01T10:00:00Z", "2001-1-1 10:00:00",
    "a\nb", "a\r\nb", "\x85", "x\u2028y", "\ufeffx", "\x1b[2J", "\x7f", "é", "---", "...", "- a",
    "x" * 200, "x y " * 100,
)  # fmt: skip


# Those that may stand in a file without quotes.
SOMEBODYS = [
    value
    for value in TELLING
    if re.fullmatch(r"[^\s'\"\[\]{},#|>@%!&*?:`\x1b\x7f-][^:#\n\r]*", value)
    and value not in {"=", "<<", "._", "\ufeffx"}
]


def go_takes_for_text(plain: str) -> bool:
    """resolve() of gopkg.in/yaml.v2, resolve.go, for an unquoted scalar."""
    if plain.lower() in {
        "",
        "~",
        "null",
        "true",
        "false",
        "y",
        "n",
        "yes",
        "no",
        "on",
        "off",
        "<<",
    }:
        return False
    if plain.lower() in {".inf", "+.inf", "-.inf", ".nan"}:
        return False
    bare = plain.replace("_", "")
    whole = r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]*|[0-9]+)"
    real = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    return not (re.fullmatch(whole, bare) or re.fullmatch(real, bare))


def read(text: str, version: tuple[int, int]) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    return yaml.load(text)  # pyright: ignore[reportUnknownMemberType]  # untyped


def unquoted(text: str) -> list[str]:
    """Plain scalars of a flat document `key: value`."""
    words = [word for line in text.splitlines() for word in line.removeprefix("? ").split(": ", 1)]
    return [word for word in words if word[:1] not in {"'", '"'}]


def assert_alike(value: str) -> None:
    document = {"value": value, value: "key", "list": [value]}
    text = plain_yaml(document)
    assert read(text, (1, 2)) == document, text
    assert read(text, (1, 1)) == document, text
    for word in unquoted(plain_yaml({"value": value})):
        assert go_takes_for_text(word), text


@pytest.mark.parametrize("value", TELLING)
def test_text_is_text_to_every_reader(value: str) -> None:
    assert_alike(value)


@settings(deadline=None)
@given(st.from_regex(r"[-+.0-9_:eExXoObBaAfFnNyYtT~=<]{1,8}", fullmatch=True))
def test_text_that_looks_like_something_else_is_text_to_every_reader(value: str) -> None:
    assert_alike(value)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_is_text_to_every_reader(value: str) -> None:
    assert_alike(value)


@settings(deadline=None)
@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.none()))
def test_numbers_are_numbers_to_every_reader(value: object) -> None:
    text = plain_yaml({"value": value})
    assert read(text, (1, 1)) == read(text, (1, 2)) == {"value": value}, text


def test_what_is_no_value_of_yaml_is_written_as_text() -> None:
    class Word(StrEnum):
        ON = "on"

    class Number(Enum):
        ONE = 1

    told = {"a": Word.ON, "b": Number.ONE, "c": date(2001, 1, 1), "d": Path("/x"), "e": (1, 2)}
    text = plain_yaml(told)
    wanted = {"a": "on", "b": 1, "c": "2001-01-01", "d": "/x", "e": [1, 2]}
    assert read(text, (1, 1)) == read_yaml(text) == wanted


@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.MantissaNoDotYAML1_1Warning")
@pytest.mark.parametrize("value", SOMEBODYS)
def test_somebodys_unquoted_scalar_is_written_as_it_was(value: str) -> None:
    """Whatever kubectl took it for, it takes it for that again."""
    theirs = f"users:\n- name: {value}\n  user:\n    token: {value}\n    quoted: '{value}'\n"
    written = kubeconfig.to_text(kubeconfig.merged(theirs, OURS))
    for version in ((1, 1), (1, 2)):
        before, after = read(theirs, version), read(written, version)
        assert after["users"][0] == before["users"][0], written


OURS: dict[str, Any] = {
    "clusters": [{"name": "on", "cluster": {"server": "https://x"}}],
    "users": [{"name": "on-admin", "user": {}}],
    "contexts": [{"name": "on", "context": {"cluster": "on", "user": "on-admin"}}],
    "current-context": "on",
}


def test_a_cluster_with_a_telling_name_is_that_name_in_a_kubeconfig() -> None:
    for name in ("on", "123", "1e3", "0x1f", "null"):
        ours: dict[str, Any] = {
            **OURS,
            "clusters": [{"name": name, "cluster": {}}],
            "current-context": name,
        }
        written = kubeconfig.to_text(kubeconfig.merged("", ours))
        assert read(written, (1, 1))["clusters"][0]["name"] == name
        again: Any = kubeconfig.merged(written, ours)
        assert len(again["clusters"]) == 1


def test_a_merge_into_a_kubeconfig_with_a_current_context_of_null_sets_it() -> None:
    assert kubeconfig.merged("current-context: ~\n", OURS)["current-context"] == "on"
    assert read_as_written("a: ~\nb: null\nc: true\nd: yes\ne: 'yes'\n") == {
        "a": None, "b": None, "c": True, "d": "yes", "e": "yes",
    }  # fmt: skip
