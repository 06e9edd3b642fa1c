"""What the command line does before it needs any host."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kanae.cli import lab as cli
from kanae.errors import LabError, UsageError
from kanae.lab import record
from kanae.lab.record import HostRecord, LabRecord, Phase
from kanae.lab.release import Image


@pytest.fixture(autouse=True)
def labs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of the user's labs, without any."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "kanae/labs"


def invoke(*words: str) -> Result:
    return CliRunner().invoke(cli.command, words)


def test_list_without_labs_is_an_empty_list() -> None:
    assert invoke("list", "-o", "json").stdout == "[]\n"


def test_host_needs_a_lab() -> None:
    error = invoke("ssh", "h1", "--", "true").exception
    assert isinstance(error, LabError)
    assert "no lab" in error.message


def test_several_labs_must_be_told_apart(labs: Path) -> None:
    for name in ("one", "two"):
        (labs / name).mkdir(parents=True)
    error = invoke("ssh", "h1").exception
    assert isinstance(error, UsageError)
    assert "one, two" in error.message
    named = invoke("ssh", "two/h1").exception
    assert isinstance(named, LabError)
    assert "there is no lab two" in named.message


@pytest.mark.parametrize(
    ("word", "said", "there_are"),
    [("sid", "sid", "bookworm, trixie"), ("h9=trixie", "no host h9", "h1, h2")],
)
def test_unknown_image_or_host_is_answered_with_the_known_ones(
    tmp_path: Path, word: str, said: str, there_are: str
) -> None:
    spec = tmp_path / "two.yaml"
    spec.write_text(
        "name: two\nkubernetes: v1.37.2\nhosts:\n"
        "  h1: {address: 10.9.9.10, roles: [control-plane]}\n"
        "  h2: {address: 10.9.9.11, roles: [worker]}\n"
    )
    error = invoke("up", str(spec), "--image", word).exception
    assert isinstance(error, UsageError)
    assert said in error.message
    assert error.remedy is not None
    assert there_are in error.remedy


def test_list_shows_each_host_s_image(labs: Path) -> None:
    hosts = [
        HostRecord(
            name=f"h{i}", address=IPv4Address(f"10.9.9.{i}"), index=i, machine_id="", image=image
        )
        for i, image in enumerate(Image)
    ]
    made = LabRecord(
        name="two",
        phase=Phase.UP,
        boot="an earlier one",
        subnet=IPv4Network("10.9.9.0/24"),
        gateway=IPv4Address("10.9.9.254"),
        bases=dict.fromkeys(Image, Path("/base")),
        operator_password="p",
        hosts=tuple(hosts),
    )
    record.write(labs / "two", made)
    shown = json.loads(invoke("list", "-o", "json").stdout)
    assert [(row["name"], row["image"]) for row in shown] == [("h0", "bookworm"), ("h1", "trixie")]
    assert [line.split()[3] for line in invoke("list").stdout.splitlines()] == list(Image)


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the labs that were taken down."""
    gone: list[str] = []

    def down(name: str, say: object) -> None:
        gone.append(name)

    monkeypatch.setattr(cli.labs, "down", down)
    monkeypatch.setattr(cli.machine, "require_root", lambda: None)
    return gone


def test_down_wants_a_name_also_where_there_is_one_lab(labs: Path, removed: list[str]) -> None:
    (labs / "one").mkdir(parents=True)
    assert invoke("down").exit_code == 2
    assert invoke("down", "--yes").exit_code == 2
    assert removed == []


@pytest.mark.parametrize(
    ("answer", "options", "gone"),
    [("yes", (), ["one"]), ("no", (), []), ("", (), []), ("", ("--yes",), ["one"])],
)
def test_down_asks(
    monkeypatch: pytest.MonkeyPatch,
    labs: Path,
    removed: list[str],
    answer: str,
    options: tuple[str, ...],
    gone: list[str],
) -> None:
    (labs / "one").mkdir(parents=True)

    def asked(question: str) -> bool:
        assert "lab one with its hosts and all their disks" in question
        return answer == "yes"

    if answer:
        monkeypatch.setattr(cli, "confirmed", asked)
    done = invoke("down", "one", *options)
    assert removed == gone
    assert (done.exit_code == 0) is bool(gone)
    if not answer and not options:
        assert "say --yes" in done.output
