"""Image archives for hosts: made once, whole, and never sent damaged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kanae.artifacts import oci
from kanae.artifacts.archives import Archives
from kanae.artifacts.model import Artifact, Kind
from kanae.artifacts.oci import Member
from kanae.artifacts.progress import Silent
from kanae.artifacts.store import Store, hash_file


def image(store: Store, name: str, version: str = "v1") -> Artifact:
    layer = oci.add_layer(store, [Member(name, data=f"{name} {version}".encode())])
    made = oci.add_image(store, [layer], arch="amd64", entrypoint=[name])
    return Artifact(
        name, version, "amd64", Kind.IMAGE, made.digest, made.size, store.path(made.digest),
        f"registry.example/{name}:{version}",
    )  # fmt: skip


@pytest.fixture
def images(store: Store) -> list[Artifact]:
    return [image(store, "pause"), image(store, "coredns")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archives"


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Which archives were written, in order."""
    done: list[Path] = []
    real = oci.write_archive

    def write(images: list[Artifact], destination: Path) -> str:
        done.append(destination)
        return real(images, destination)

    monkeypatch.setattr(oci, "write_archive", write)
    return done


def names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()} - {"lock"}


def flip(file: Path) -> None:
    """Change one bit as a bad disk does: size, times and inode stay."""
    times = file.stat()
    with file.open("r+b") as stream:
        stream.seek(times.st_size // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 1]))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def damage_sum(file: Path) -> None:
    flip(file.with_suffix(".sha256"))


def lose_sum(file: Path) -> None:
    file.with_suffix(".sha256").unlink()


def test_an_archive_is_what_write_archive_makes_and_is_made_once(
    images: list[Artifact], root: Path, writes: list[Path], tmp_path: Path
) -> None:
    archive = Archives(root).of(images)
    assert Archives(root).of(images[::-1]) == archive
    assert writes == [archive]
    assert hash_file(archive) == oci.write_archive(images, tmp_path / "again.tar")
    check = ["sha256sum", "-c", archive.with_suffix(".sha256").name]
    assert subprocess.run(check, cwd=root, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("damage", [flip, cut, damage_sum, lose_sum, os.unlink])
def test_what_is_not_as_it_was_made_is_made_again_before_it_is_sent(
    images: list[Artifact], root: Path, writes: list[Path], damage: Callable[[Path], None]
) -> None:
    archive = Archives(root).of(images)
    sound = hash_file(archive)
    damage(archive)
    assert Archives(root).of(images) == archive
    assert hash_file(archive) == sound
    assert len(writes) == 2


def test_damage_within_a_run_is_noticed_where_size_or_time_tell_of_it(
    images: list[Artifact], root: Path, writes: list[Path]
) -> None:
    archives = Archives(root)
    for _ in range(2):
        cut(archives.of(images))
    assert len(writes) == 2


DIES = """
import os, signal, sys
from pathlib import Path
from kanae.artifacts import oci
from kanae.artifacts.archives import Archives
from kanae.artifacts.model import Artifact, Kind

def dying(images, stream):
    stream.write(b"half of it")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)

oci.stream_archive = dying
root, digest, path = sys.argv[1:]
wanted = Artifact("pause", "v1", "amd64", Kind.IMAGE, digest, 1, Path(path),
                  "registry.example/pause:v1")
Archives(Path(root)).of([wanted])
"""


def test_a_run_killed_while_it_writes_leaves_nothing_that_the_next_one_takes_for_whole(
    store: Store, root: Path, tmp_path: Path
) -> None:
    wanted = image(store, "pause")
    command = [sys.executable, "-c", DIES, str(root), wanted.digest, str(wanted.path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(names(root)) == 1  # what it had written until then
    archive = Archives(root).of([wanted])
    assert hash_file(archive) == oci.write_archive([wanted], tmp_path / "sound.tar")
    assert names(root) == {archive.name, archive.with_suffix(".sha256").name}


def test_equal_images_under_other_references_are_in_another_archive(
    store: Store, root: Path
) -> None:
    """As pause 3.10.1 and 3.10.2 are, built from the same C file."""
    old = image(store, "pause")
    new = replace(old, version="v2", reference="registry.example/pause:v2")
    assert Archives(root).of([old]) != Archives(root).of([new])


def test_verify_reads_all_archives_and_removes_the_bad_one(
    store: Store, root: Path, writes: list[Path]
) -> None:
    archives = Archives(root)
    one, two = image(store, "one"), image(store, "two")
    good, bad = archives.of([one]), archives.of([two])
    flip(bad)
    assert archives.verify_all(Silent()) == (2, [bad.name])
    assert names(root) == {good.name, good.with_suffix(".sha256").name}
    assert archives.of([two]) == bad
    assert archives.verify_all(Silent()) == (2, [])
    assert len(writes) == 3


def test_verify_reads_again_what_was_read_before(images: list[Artifact], root: Path) -> None:
    archives = Archives(root)
    archive = archives.of(images)
    assert archives.of(images) == archive
    flip(archive)
    assert archives.verify_all(Silent()) == (1, [archive.name])


def test_prune_keeps_archives_of_kept_images_only(store: Store, root: Path) -> None:
    archives = Archives(root)
    one, two = image(store, "one"), image(store, "two")
    kept, mixed = archives.of([one]), archives.of([one, two])
    (root / "of-an-older-kanae.tar").write_bytes(b"12")
    freed = mixed.stat().st_size + 2
    assert archives.prune({one.digest}) == (2, freed)
    assert names(root) == {kept.name, kept.with_suffix(".sha256").name}
    size = kept.stat().st_size
    assert archives.prune(()) == (1, size)
    assert names(root) == set()
