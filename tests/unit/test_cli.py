"""The command line as a whole: exit codes, and no traceback for anything a user can do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# A documentation network (RFC 5737): no host is there.
SPEC = """
name: nowhere
kubernetes: v1.37.2
ssh: {connectTimeout: 0.5}
hosts:
  m1: {address: 192.0.2.1, roles: [control-plane, worker]}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


def kanae(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(folder), "XDG_STATE_HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "kanae", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["frobnicate"], 2),
        (["plan"], 2),
        (["apply", "--help"], 0),
        (["completion", "bash"], 0),
        (["plan", "no-such-file.yaml"], 3),
    ],
)
def test_what_needs_no_host_ends_as_said(tmp_path: Path, words: list[str], status: int) -> None:
    assert kanae(tmp_path, *words).returncode == status


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["plan"], 10),
        (["check"], 10),
        (["status"], 0),
        (["apply", "--yes"], 10),
        (["reset", "--yes"], 10),
        (["kubeconfig"], 10),
    ],
)
def test_a_host_that_cannot_be_reached_is_named(
    tmp_path: Path, spec: Path, words: list[str], status: int
) -> None:
    done = kanae(tmp_path, words[0], str(spec), *words[1:])
    assert done.returncode == status, done.stderr
    assert "m1" in done.stdout + done.stderr
