"""Broken input of every kind: an error in words or none at all; nothing else happens.

About 1,500 inputs, the same at every run. `make mutations` tries 20,000 others as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

import pytest

from kanae.errors import KanaeError
from kanae.plan import planner
from kanae.shown import shown

from ..model.fixtures import Desk, bare, example
from . import scripts
from .inputs import KINDS, sound_bundle
from .watched import Watch

# What is damaged there is passed over.
NEVER_REFUSED = {"stored index", "journals"}
TOTAL = int(os.environ.get("KANAE_MUTATIONS", "1500"))


@cache
def watch() -> Watch:
    return Watch()


def _at_once(_file: int) -> None:
    """Nothing here has to survive a crash of the machine."""


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)  # found anew, by TMPDIR
    sound_bundle()
    monkeypatch.setattr("kanae.execute.journal.os.fdatasync", _at_once)


def _seeds(kind: str) -> Iterator[int]:
    shares = sum(share for _, share in KINDS.values())
    return iter(range(max(1, TOTAL * KINDS[kind][1] // shares)))


@pytest.mark.parametrize("kind", KINDS)
def test_broken_input_ends_in_words_and_touches_nothing(kind: str, tmp_path: Path) -> None:
    read, _ = KINDS[kind]
    outcomes = {"read": 0, "refused": 0}
    folder = tmp_path / "input"
    for seed in _seeds(kind):
        folder.mkdir()
        said = ""
        with watch().over(tmp_path) as done:
            try:
                read(folder, Random(f"{kind} {seed}"))
            except KanaeError as error:
                said = str(error)
            except Exception as error:
                raise AssertionError(f"{kind} {seed}: {type(error).__name__}") from error
        outcomes["refused" if said else "read"] += 1
        assert shown(said) == said, (kind, seed)
        assert done == [], (kind, seed)
        made = [each for name in ("pwned", "escaped") for each in tmp_path.glob(f"**/*{name}*")]
        assert all(each.suffix == ".tar" for each in made), (kind, seed)
        shutil.rmtree(folder)
    # Neither so broken that nothing is looked at, nor sound; a few may be by chance.
    if sum(outcomes.values()) >= 100:
        assert outcomes["read"]
        assert outcomes["refused"] or kind in NEVER_REFUSED


def test_what_is_watched_is_seen(tmp_path: Path) -> None:
    """The test above could not fail without."""
    other = tmp_path / "other"
    other.mkdir()
    with watch().over(tmp_path / "own") as done:
        (other / "file").write_text("x")
        (other / "file").unlink()
        subprocess.run(["true"], check=True)
        with pytest.raises(OSError, match=r"socket\.getaddrinfo"):
            __import__("socket").getaddrinfo("example.org", 443)
    assert [each.split()[0] for each in done] == ["open", "os.remove", "subprocess.Popen"]


@pytest.mark.parametrize("name", ["reference", "vip", "single"])
def test_scripts_are_shell(name: str) -> None:
    spec = example(name)
    desk = Desk.of(spec)
    found = list(scripts.of(planner.plan(desk.view(bare(spec)))))
    assert len(found) > 5
    whole = "".join(f"(\n{each}\n)\n" for each in found)
    subprocess.run(["sh", "-n"], input=whole, text=True, check=True)
