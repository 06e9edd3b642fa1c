"""What is not as it should be on the operator's machine, and text of hosts, is told in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kanae import paths
from kanae.cli import main
from kanae.cli.unexpected import explained
from kanae.errors import HostError, KanaeError, MachineUnfit, StepFailed, Unexpected, UsageError
from kanae.facts.frame import split
from kanae.resources.model import text_diff
from kanae.shown import shown

RAW = "a\x1b[31mred\udcff\u202ex\x85\tb\nc"
CLEAN = "a\\x1b[31mred\\xff\\u202ex\\x85\tb\nc"


def test_what_a_terminal_would_act_on_is_written_out() -> None:
    assert shown(RAW) == CLEAN
    assert shown("plain é 日本\n\t") == "plain é 日本\n\t"


def test_text_of_hosts_is_clean_in_errors_facts_and_differences() -> None:
    assert str(HostError("m1", RAW)) == f"m1: {CLEAN}"
    assert HostError("m1", RAW).what == CLEAN
    assert "\x1b" not in str(StepFailed("m1", "ss", 1, RAW))
    answer = split("m1", b"kanae-facts 1 5\n#5 ports\nLISTEN \x1b[2J\xff\n#5 end 6\n")
    assert answer.lines("ports") == ("LISTEN \\x1b[2J\\xff",)
    assert "\x1b" not in text_diff("", "\x1b[2J", "file")


def test_anything_unforeseen_is_one_paragraph_a_log_and_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError(f"odd\n{RAW}")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("kanae.cli.command.main", fails)
    with pytest.raises(SystemExit) as caught:
        main(["plan"])
    assert caught.value.code == Unexpected.exit_code
    said = capsys.readouterr().err
    (log,) = (tmp_path / "kanae/errors").iterdir()
    assert str(log) in said
    assert "Traceback" not in said
    assert "\x1b" not in said
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found = explained(PermissionError(13, "Permission denied", "/cache/x"))
    assert isinstance(found, MachineUnfit)
    assert found.message == "/cache/x: Permission denied"


def test_a_user_without_a_home_or_a_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    def nameless() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("pathlib.Path.home", none)
    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(MachineUnfit, match="no home folder"):
        paths.cache_dir()
    assert paths.user() == f"uid{os.getuid()}"


def test_a_home_of_nobody_is_told() -> None:
    with pytest.raises(UsageError, match="no home folder of such a user"):
        paths.expanded("~no-such-user-here/key")


def test_a_bundle_into_a_folder_that_is_not_there_is_refused_before_anything_is_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bundle", "create", str(tmp_path / "none/x.tar")])
    assert caught.value.code == UsageError.exit_code
    assert "there is no such folder" in capsys.readouterr().err
    assert issubclass(UsageError, KanaeError)
