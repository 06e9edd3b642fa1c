"""Files that are no spec at all: each is one clear error, none is a traceback or a long wait."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kanae.errors import SpecError
from kanae.spec.load import load, loads
from kanae.spec.reader import MAX_BYTES, MAX_FLAWS

MINIMAL = """\
name: one
kubernetes: v1.37.2
hosts:
  m1:
    address: 10.0.0.1
    roles: [control-plane]
"""


def refused(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        loads(text, "f")
    return str(caught.value)


def refused_file(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        load(path)
    return str(caught.value).replace(f"{path}:", "f:")


def test_three_lines_a_host_are_enough() -> None:
    assert loads(MINIMAL, "f").hosts["m1"].labels == {}


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert load(file).name == "one"


def test_carriage_returns_are_no_error(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_bytes(MINIMAL.replace("\n", "\r\n").encode())
    assert load(file).name == "one"


def test_an_alias_repeats_a_value() -> None:
    text = MINIMAL.replace("[control-plane]", "&r [control-plane]") + (
        "  m2: {address: 10.0.0.2, roles: *r}\n  m3: {address: 10.0.0.3, roles: *r}\n"
        "endpoint: {address: 10.0.0.9}\n"
    )
    assert loads(text, "f").hosts["m3"].roles == loads(text, "f").hosts["m1"].roles


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "f:1:1: expected a spec; the file is empty (`kanae init` writes one)"),
        ("# only\n", "f:1:1: expected a spec; the file is empty (`kanae init` writes one)"),
        ("- a\n", "f:1:1: expected a mapping with name, kubernetes and hosts, not a list"),
        ("hello\n", "f:1:1: expected a mapping with name, kubernetes and hosts, not `hello`"),
        ("name:\n\tx: 1\n", "f:2:1: a tab stands where YAML wants spaces; indent with spaces"),
        (MINIMAL + "---\n" + MINIMAL, "f:7:1: expected one YAML document, not two"),
        ("a: *b\n", "f:1:4: a: alias `b` names no anchor above it"),
        ("a: &b [*b]\n", "f:1:8: a[0]: alias `b` stands inside its own anchor"),
        ("? [a]\n: b\n", "f:1:3: expected a name before the colon, not a list or mapping"),
        ("a: [1\n", "f:2:1: expected `,` or the closing bracket of a list or mapping in brackets"),
        ("a: b\x07\n", "f:1:5: character U+0007 is not allowed"),
        ("a: @b\n", "f:1:4: text that begins with @ needs quotes"),
        ("a: 'b\n", "f:2:1: the file ends inside quotes that were opened above"),
        (
            "a: {b: }}\n",
            "f:1:9: this fits neither the line above nor what surrounds it; check indentation"
            " and brackets",
        ),
        (
            " a: 1\nb: 2\n",
            "f:2:1: this does not belong to what stands above; check the indentation, here and"
            " above",
        ),
        (
            "name: a: b\n",
            "f:1:8: a second `: ` on one line; put the text in quotes, or check the line's"
            " indentation",
        ),
    ],
)
def test_what_is_no_yaml_mapping_is_refused_at_its_place(text: str, expected: str) -> None:
    assert refused(text) == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1.30", "1.30 without quotes is no text but the number 1.3; put such text"),
        ("1.37", "1.37 without quotes is no text but the number 1.37; put such text"),
        ("2", "2 without quotes is no text but the number 2; put such text"),
        ('"1.30"', "expected a full version such as v1.37.2, not `1.30`"),
    ],
)
def test_an_unquoted_version_is_refused_and_never_rounded(value: str, said: str) -> None:
    assert said in refused(MINIMAL.replace("v1.37.2", value))


def test_text_that_would_be_valid_in_quotes_is_shown_in_quotes() -> None:
    said = refused(MINIMAL + "    labels: {zone: 1.30}\n")
    assert 'write it in quotes, as "1.30"' in said


@pytest.mark.parametrize("word", ["yes", "No", "on", "OFF"])
def test_words_that_some_readers_take_for_booleans_are_refused(word: str) -> None:
    assert f"{word} without quotes is true or false" in refused(
        MINIMAL + f"    labels: {{country: {word}}}\n"
    )


@pytest.mark.parametrize(
    "value", ["0755", ".inf", "-.INF", ".nan", "1e999", "9" * 5000, "0x" + "f" * 9000, "!!int 3"]
)
def test_doubtful_numbers_are_refused(value: str) -> None:
    assert "kubelet.maxPods: " in refused(MINIMAL + f"kubelet: {{maxPods: {value}}}\n")


def test_numbers_of_other_bases_are_read() -> None:
    spec = loads(
        MINIMAL + "kubelet: {maxPods: 0x10, podsPerCore: 0o17, nodeStatusMaxImages: -1}", ""
    )
    assert spec.kubelet == {"maxPods": 16, "podsPerCore": 15, "nodeStatusMaxImages": -1}


def test_foreign_tags_are_refused() -> None:
    assert "without a YAML tag" in refused(MINIMAL.replace("one", "!!python/object:os.system one"))


def test_merge_keys_are_refused() -> None:
    assert "merge keys (<<) are not read" in refused(MINIMAL + "    <<: {labels: {}}\n")


def test_control_characters_in_text_are_refused() -> None:
    assert "without control characters" in refused(MINIMAL + '    labels: {"a": "\\x07"}\n')
    assert "f:7:14" in refused(MINIMAL + '    labels: {"a\\n": b}\n')


def test_a_file_cannot_write_to_the_terminal_through_an_error() -> None:
    escape = MINIMAL.replace("name: one", 'name: "\\e[2Jone"')
    assert "\x1b" not in refused(escape)
    assert "\x1b" not in refused(MINIMAL.replace("[control-plane]", '["\\e[2Jone"]'))


def test_half_a_character_pair_is_refused() -> None:
    assert "without control characters" in refused(MINIMAL + '    labels: {a: "\\ud800"}\n')


def test_a_missing_file_a_directory_and_a_nul_in_the_name_are_refused(tmp_path: Path) -> None:
    assert "No such file" in refused_file(tmp_path / "none.yaml")
    assert "Is a directory" in refused_file(tmp_path)
    assert "cannot be read" in refused_file(tmp_path / "a\0b")


def test_bytes_that_are_not_utf8_are_refused_at_their_place(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_bytes(b"name: a\nx: \xff\n")
    assert refused_file(file) == "f:2:4: expected UTF-8 text"
    file.write_bytes("name: a\n".encode("utf-16"))
    assert refused_file(file) == "f:1:1: expected UTF-8 text"


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_bytes(b"a" * (MAX_BYTES + 1))
    assert refused_file(file) == "f: expected a spec of at most 512 KiB"


@pytest.mark.parametrize("nest", ["[", "{a: ", "- ", "? ", "a: [{"])
def test_deep_nesting_is_refused(nest: str) -> None:
    assert len(refused(nest * 20_000)) < 500


def test_aliases_that_multiply_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 25)]
    before = time.process_time()
    assert "aliases multiply it beyond reason" in refused("\n".join(lines))
    assert time.process_time() - before < 1


def test_a_file_with_endless_mistakes_is_given_up() -> None:
    assert len(refused("a: 1\n" * 10_000).splitlines()) == MAX_FLAWS + 1


def test_five_hundred_hosts_load_in_a_second() -> None:
    hosts = "".join(
        f"  n{n}:\n    address: 10.1.{n // 250}.{n % 250 + 1}\n    roles: [worker]\n"
        for n in range(500)
    )
    text = MINIMAL + hosts + "networks: {pods: 10.240.0.0/14}\n"
    before = time.process_time()
    assert len(loads(text, "f").hosts) == 501
    assert time.process_time() - before < 1


def test_problems_can_be_read_by_programs() -> None:
    with pytest.raises(SpecError) as caught:
        loads(MINIMAL.replace("10.0.0.1", "10.0.0"), "cluster.yaml")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column) == ("cluster.yaml", 5, 14)
    assert problem.path == "hosts.m1.address"
    assert caught.value.exit_code == 3
