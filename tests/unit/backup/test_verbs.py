"""`kanae backup list|show|verify|prune`, as typed; no host answers."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from kanae import cli

from .made import IDENTITY, TAKEN
from .test_backups import KEY, put

SPEC = """name: demo
kubernetes: v1.37.2
ssh: {connectTimeout: 0.5}
hosts:
  m1: {address: 192.0.2.1, roles: [control-plane, worker]}
backup:
  target: kept
"""


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.delenv("KANAE_AGE_IDENTITY_FILE", raising=False)
    Path("cluster.yaml").write_text(SPEC)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    try:
        cli.main(["backup", *words])
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


def test_list_tells_the_newest_first_from_wherever_it_is_called(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = put(tmp_path / "kept", TAKEN - timedelta(days=1))
    newer = put(tmp_path / "kept")
    put(tmp_path / "kept", cluster="other")
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    code, out, _ = said(capsys, "list", "../cluster.yaml", "-o", "json")
    assert code == 0
    assert [each["name"] for each in json.loads(out)["backups"]] == [newer.name, older.name]
    assert "no backups" in said(capsys, "list", "../cluster.yaml", "--from", "kept")[1]


def test_a_schedules_hosts_that_do_not_answer_are_named_beside_what_was_found(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Path("cluster.yaml").write_text(SPEC + "  schedule: {}\n")
    made = put(tmp_path / "kept")
    code, out, err = said(capsys, "list")
    assert (code, made.name in out) == (0, True)
    assert "ssh://m1/var/backups/kanae cannot be asked" in err


def test_show_and_verify_take_a_file_a_name_and_the_newest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = put(tmp_path / "kept")
    for wanted in (str(made), made.name, "newest"):
        code, out, _ = said(capsys, "show", wanted, "-o", "json")
        assert (code, json.loads(out)["manifest"]["identity"]) == (0, IDENTITY)
        assert said(capsys, "verify", wanted)[1].endswith("good\n")
    Path("cluster.yaml").unlink()
    assert said(capsys, "verify", str(made))[0] == 0
    code, _, err = said(capsys, "verify", "newest")
    assert (code, "there is no cluster.yaml" in err) == (2, True)
    code, _, err = said(capsys, "show", "nothing")
    assert (code, "no name of a backup" in err) == (9, True)


def test_verify_ends_with_9_for_a_byte_that_changed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = put(tmp_path / "kept")
    content = bytearray(made.read_bytes())
    content[len(content) // 2] ^= 1
    made.write_bytes(content)
    code, out, err = said(capsys, "verify", "newest")
    assert (code, out) == (9, "")
    assert "damaged" in err


def test_an_encrypted_one_is_read_with_its_key_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = put(tmp_path / "kept", TAKEN, str(KEY.to_public()))
    key = tmp_path / "age.key"
    key.write_text(f"{KEY}\n")
    key.chmod(0o600)
    code, _, err = said(capsys, "show", made.name)
    assert (code, "no private key was given" in err) == (9, True)
    code, out, err = said(capsys, "verify", made.name)
    assert (code, "what is in it was not read" in " ".join(err.split())) == (0, True)
    assert "revision" not in out
    assert "revision 42" in said(capsys, "show", made.name, "--identity-file", str(key))[1]
    monkeypatch.setenv("KANAE_AGE_IDENTITY_FILE", str(key))
    code, out, err = said(capsys, "verify", made.name)
    assert (code, err, "revision 42" in out) == (0, "", True)


def test_prune_asks_and_of_a_cluster_that_is_gone_wants_its_identity(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    days = [put(tmp_path / "kept", TAKEN - timedelta(days=age)) for age in range(3)]
    assert said(capsys, "prune", "--keep", "1", "--yes")[0] == 10
    words = ("prune", "--keep", "1", "--identity", IDENTITY)
    code, _, err = said(capsys, *words)
    assert (code, "say --yes" in err) == (2, True)
    assert all(each.exists() for each in days)
    code, out, _ = said(capsys, *words, "--yes", "-o", "json")
    assert code == 0
    assert json.loads(out)["kept"] == [days[0].name]
    assert [each.exists() for each in days] == [True, False, False]
    assert said(capsys, "prune", "--age", "soon", "--yes", "--identity", IDENTITY)[0] == 2


def restore(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Exit status, and what was said on standard error on one line."""
    capsys.readouterr()
    try:
        cli.main(["restore", "cluster.yaml", *words])
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    return code, " ".join(capsys.readouterr().err.split())


def test_restore_looks_for_a_backup_where_target_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = put(tmp_path / "else")
    for wanted in ("newest", made.name):
        code, err = restore(capsys, "--from", wanted, "--confirm", "demo")
        assert code == 9, err
        # It is found there, and then no host answers.
        code, err = restore(
            capsys, "--from", wanted, "--target", str(tmp_path / "else"), "--confirm", "demo"
        )
        assert code not in (0, 2, 9), err
        assert "m1" in err
    code, err = restore(capsys, "--from", "else", "--confirm", "demo")
    assert (code, "say the folder as TARGET beside a name" in err) == (9, True)
    code, err = restore(capsys, "--discard", "--target", "else", "--confirm", "demo")
    assert (code, "--target says where a backup is" in err) == (2, True)
    code, err = restore(capsys, "--from", "newest", "--confirm", "other")
    assert (code, "the cluster of cluster.yaml is 'demo'" in err) == (2, True)
