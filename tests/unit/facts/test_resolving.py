"""Names, resolved by this machine's getent, or by a made-up one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kanae.errors import FactsError
from kanae.facts.model import HostFacts, Query
from kanae.facts.parse import parse
from kanae.facts.script import script

QUERY = Query(names=("localhost", "no-such-name.invalid"))


def asked(folder: Path, getent: str | None = None, late: bool = False) -> HostFacts:
    """getent: a script in its place. late: no time is left for it."""
    programs = folder / "programs"
    programs.mkdir()
    fakes = {"getent": getent, "timeout": "exit 124" if late else None}
    for name, text in fakes.items():
        if text is not None:
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
    text = script(QUERY, str(folder / "state")).replace("PATH=", f"PATH={programs}:", 1)
    done = subprocess.run(["/bin/sh", "-c", text], capture_output=True, check=True)
    assert done.stderr == b""
    return parse("here", QUERY, done.stdout, 0, 0)


def test_names_of_this_machine(tmp_path: Path) -> None:
    names = asked(tmp_path).names
    known = names["localhost"]
    assert known is not None
    assert set(known) & {"127.0.0.1", "::1"}
    assert names["no-such-name.invalid"] in {(), None}  # None where no name server answers


def test_files_and_dns_are_asked_and_each_address_is_told_once(tmp_path: Path) -> None:
    script = """\
[ "$*" = "-s hosts:files dns -- ahosts localhost" ] || exit 2
echo '10.0.0.9       STREAM localhost'
echo '10.0.0.9       DGRAM'
echo '2001:db8::9    STREAM'"""
    assert asked(tmp_path, script).names == {
        "localhost": ("10.0.0.9", "2001:db8::9"),
        "no-such-name.invalid": (),
    }


def test_no_answer_in_time_is_not_no_such_name(tmp_path: Path) -> None:
    assert asked(tmp_path, late=True).names == {"localhost": None, "no-such-name.invalid": None}


def test_what_is_no_address_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(FactsError, match="'Usage:' is no address of a name"):
        asked(tmp_path, "echo Usage: getent")


@pytest.mark.parametrize("name", ["-x", "a b", "$(a)", "", "a/b"])
def test_what_is_no_name_is_not_asked_for(name: str) -> None:
    with pytest.raises(ValueError, match="not a name to ask for"):
        script(Query(names=(name,)))
