"""What the command line does before it needs any host."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kanae.cli import lab as cli
from kanae.errors import LabError, UsageError


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
