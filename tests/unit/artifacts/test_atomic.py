"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kanae.artifacts import atomic

DIES = """
import os, signal, sys
from pathlib import Path
from kanae.artifacts import atomic
with atomic.written(Path(sys.argv[1])) as stream:
    stream.write(b"half of it")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_writer_that_is_killed_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for old in (None, b"old"):
        if old is not None:
            file.write_bytes(old)
        done = subprocess.run([sys.executable, "-c", DIES, str(file)], check=False)
        assert done.returncode == -signal.SIGKILL
        assert (file.read_bytes() if file.exists() else None) == old


def test_after_an_error_nothing_is_left(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic.written(tmp_path / "file") as stream:
            stream.write(b"half of it")
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_bytes_are_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    flushed: list[tuple[int, bool]] = []

    def fsync(descriptor: int) -> None:
        flushed.append((os.fstat(descriptor).st_size, file.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    atomic.write_text(file, "all of it")
    assert flushed == [(9, False)]
    assert file.read_text() == "all of it"


def test_several_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "file"
    texts = [letter * 100_000 for letter in "abcd"]
    threads = [threading.Thread(target=atomic.write_text, args=(file, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert file.read_text() in texts
    assert list(tmp_path.iterdir()) == [file]


def test_others_may_read_it_as_far_as_the_umask_lets_them(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic.write_text(tmp_path / "file", "")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
