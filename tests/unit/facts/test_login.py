"""Who logged in and where his home is, asked for real; only the host's accounts are made up."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from kanae.facts.login import Login
from kanae.facts.model import HostFacts, Query
from kanae.facts.parse import parse
from kanae.facts.script import script

KUBECONFIG = "~/.kube/config"
QUERY = Query(files=(KUBECONFIG, "/etc/hostname"))


def asked(folder: Path, home: Path | str, *, user: str = "ann", named: bool = True) -> HostFacts:
    """By sudo, of a host whose directory service has one account besides those of /etc/passwd."""
    programs = folder / "programs"
    programs.mkdir()
    accounts = folder / "accounts"
    accounts.write_text(f"{user}:x:1000:1000:Ann, of sales:{home}:/bin/sh\n")
    getent = programs / "getent"
    getent.write_text(
        f'#!/bin/sh\n[ "$1 $2 $3" = "passwd -- $SUDO_USER" ] && cat {accounts}\n' if named else ""
    )
    getent.chmod(0o755)
    text = script(QUERY, str(folder / "state")).replace("PATH=", f"PATH={programs}:", 1)
    done = subprocess.run(
        ["/bin/sh", "-c", text],
        env={**os.environ, "SUDO_USER": user, "HOME": "/root"},
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    return parse("here", QUERY, done.stdout, 0, 0)


@pytest.mark.parametrize("user", ["ann", "CORP\\ann", "ann@corp.example"])
def test_a_file_in_the_home_of_whom_sudo_was_called_by(tmp_path: Path, user: str) -> None:
    home = tmp_path / "corp.example" / "ann"
    (home / ".kube").mkdir(parents=True)
    (home / ".kube" / "config").write_text("contexts")
    facts = asked(tmp_path, home, user=user)
    assert facts.base.login == Login(user, str(home), usable=True)
    assert facts.base.login.path(KUBECONFIG) == f"{home}/.kube/config"
    there = facts.files[KUBECONFIG]
    assert there is not None
    assert there.size == len("contexts")
    assert facts.files["/etc/hostname"] is not None


def test_a_home_without_the_file(tmp_path: Path) -> None:
    facts = asked(tmp_path, f"{tmp_path}/")
    assert facts.base.login.path(KUBECONFIG) == f"{tmp_path}/.kube/config"
    assert facts.files[KUBECONFIG] is None


@pytest.mark.parametrize(
    "name", ["a b", "$(touch no)", "`touch no`", "a'b", "é", "a\\b", "*", "a;b"]
)
def test_an_odd_home_is_told_and_not_used(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    (home / ".kube").mkdir(parents=True)
    (home / ".kube" / "config").write_text("contexts")
    facts = asked(tmp_path, home)
    assert facts.base.login == Login("ann", str(home), usable=False)
    assert facts.base.login.path(KUBECONFIG) is None
    assert facts.files[KUBECONFIG] is None
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("home", ["", "somewhere", "/nonexistent"])
def test_a_home_that_is_no_folder_is_not_used(tmp_path: Path, home: str) -> None:
    assert asked(tmp_path, home).base.login == Login("ann", home, usable=False)


def test_where_getent_does_not_answer_the_file_of_accounts_does(tmp_path: Path) -> None:
    facts = asked(tmp_path, "/elsewhere", user="root", named=False)
    assert facts.base.login == Login("root", "/root", usable=True)
