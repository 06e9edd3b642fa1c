"""Files written over a real sshd."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kanae.errors import StepFailed
from kanae.transport.files import BIG
from kanae.transport.protocol import Upload
from kanae.transport.ssh import SshTransport


async def test_many_small_files_arrive_with_mode_and_owner(
    transport: SshTransport, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "folder with 'quotes'"
    uploads = [
        Upload(f"{folder}/file {n}", bytes([n]) * n * 10, 0o600 if n % 2 else 0o755, "daemon:games")
        for n in range(120)
    ]
    await transport.upload(uploads)
    for n, upload in enumerate(uploads):
        path = Path(upload.path)
        assert path.read_bytes() == bytes([n]) * n * 10
        assert path.stat().st_mode & 0o7777 == upload.mode
        assert (path.owner(), path.group()) == ("daemon", "games")
    assert len(list(folder.iterdir())) == 120


async def test_a_big_file_is_streamed_and_told_of(transport: SshTransport, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(BIG * 2 + 17))
    seen: list[tuple[int, int]] = []
    target = Upload(str(tmp_path / "target"), source, 0o755)
    await transport.upload([target], progress=lambda sent, total: seen.append((sent, total)))
    assert Path(target.path).read_bytes() == source.read_bytes()
    assert seen[-1] == (BIG * 2 + 17, BIG * 2 + 17)
    assert len(seen) > 10


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("size", [2 << 20, BIG + 1])
async def test_a_full_disk_is_named_and_leaves_the_old_file(
    transport: SshTransport, small_disk: Path, size: int
) -> None:
    target = small_disk / "config"
    target.write_text("old")
    with pytest.raises(StepFailed, match="No space left") as caught:
        await transport.upload([Upload(str(target), b"x" * size)])
    assert "full" in caught.value.remedy
    assert str(target) in caught.value.message
    assert target.read_text() == "old"
    assert list(small_disk.iterdir()) == [target]


async def test_a_read_only_file_system_is_named(transport: SshTransport, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StepFailed, match="Read-only file system") as caught:
        await transport.upload([Upload(str(small_disk / "config"), b"new")])
    assert "read-only" in caught.value.remedy


async def test_an_owner_that_does_not_exist_is_named(
    transport: SshTransport, tmp_path: Path
) -> None:
    with pytest.raises(StepFailed, match="invalid user") as caught:
        await transport.upload([Upload(str(tmp_path / "file"), b"", owner="nobody-known:root")])
    assert "owner" in caught.value.remedy
    assert not (tmp_path / "file").exists()
