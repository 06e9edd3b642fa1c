"""A backup is read as it was written, and whatever has become of it otherwise is found."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kanae.backup import archive, model, writer
from kanae.errors import (
    BackupBroken,
    BackupError,
    BackupLocked,
    KanaeError,
    NoBackup,
)

from .made import Parts, parts

KEY = pyrage.x25519.Identity.generate()
RECIPIENT = str(KEY.to_public())
# Over files that differ in a byte; each example writes one and reads it.
DAMAGED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=[(), (RECIPIENT,)], ids=["plain", "encrypted"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Parts]:
    whole, file = parts(), tmp_path / "backup"
    assert whole.write(file, *request.param) == hashlib.sha256(file.read_bytes()).hexdigest()
    return file, whole


def test_it_is_read_as_it_was_written(made: tuple[Path, Parts], tmp_path: Path) -> None:
    file, whole = made
    out = tmp_path / "snapshot.db"
    read = archive.open_archive(file, [KEY], snapshot=out)
    assert read.manifest == whole.manifest == archive.peek(file, [KEY])
    assert read.files == whole.files
    assert out.read_bytes() == whole.snapshot
    assert read.sha256 == archive.sha256(file)
    assert {file.stat().st_mode & 0o777, out.stat().st_mode & 0o777} == {0o600}
    assert list(file.parent.glob("*.part")) == []


def test_a_plain_one_is_a_tar_for_everybody(tmp_path: Path) -> None:
    file, whole = tmp_path / "backup", parts()
    whole.write(file)
    listed = subprocess.run(["tar", "-tf", file], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == [model.MANIFEST, *whole.files, model.SNAPSHOT]
    assert listed.stderr == ""


@DAMAGED
@given(data=st.data())
def test_any_change_of_its_bytes_is_found(made: tuple[Path, Parts], data: st.DataObject) -> None:
    file, _ = made
    whole = file.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    change = data.draw(st.sampled_from(("flip", "cut", "drop", "double")))
    flipped = bytes([whole[at] ^ data.draw(st.integers(1, 255))])
    damaged = {
        "flip": whole[:at] + flipped + whole[at + 1 :],
        "cut": whole[:at],
        "drop": whole[:at] + whole[at + 1 :],
        "double": whole[:at] + whole[at : at + 1] * 2 + whole[at + 1 :],
    }[change]
    if damaged == whole:
        return
    bad, out = file.with_name("bad"), file.with_name("out")
    bad.write_bytes(damaged)
    with pytest.raises(BackupError):
        archive.open_archive(bad, [KEY], snapshot=out)
    assert not out.exists()


def test_something_behind_its_end_is_found(made: tuple[Path, Parts]) -> None:
    file, _ = made
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(BackupBroken):
        archive.open_archive(file, [KEY])


@given(content=st.binary(max_size=3000))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_no_backup_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(NoBackup):
        archive.open_archive(file)


def test_the_key_is_missing_or_another_one(tmp_path: Path) -> None:
    file = tmp_path / "backup"
    parts().write(file, RECIPIENT)
    assert b"content of" not in file.read_bytes()
    with pytest.raises(BackupLocked, match="no private key was given"):
        archive.open_archive(file)
    with pytest.raises(BackupLocked, match="encrypted for others"):
        archive.open_archive(file, [pyrage.x25519.Identity.generate()])


def test_files_are_only_those_of_the_manifest_and_all_of_them(tmp_path: Path) -> None:
    """Also in one that has the right digest at its end, as whoever changes it can make it."""
    whole, file = parts(), tmp_path / "backup"
    lacking = dict(whole.manifest.files)
    del lacking["marks/hosts"]
    for manifest, why in (
        (replace(whole.manifest, files=lacking), "marks/hosts is not what"),
        (
            replace(whole.manifest, files={**whole.manifest.files, "marks/x": writer.stored(b"")}),
            "marks/x missing",
        ),
    ):
        _tar(file, manifest, whole)
        with pytest.raises(BackupBroken, match=why):
            archive.open_archive(file)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE])
def test_links_and_folders_are_refused(kind: bytes, tmp_path: Path) -> None:
    whole, file = parts(), tmp_path / "backup"
    _tar(file, whole.manifest, whole, kind)
    with pytest.raises(BackupBroken, match="no plain file"):
        archive.open_archive(file)


def _tar(file: Path, manifest: model.Manifest, whole: Parts, kind: bytes = b"") -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        files = {model.MANIFEST: model.to_json(manifest), **whole.files}
        for name, content in (*files.items(), (model.SNAPSHOT, whole.snapshot)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if kind and name == model.SNAPSHOT:
                info.type, info.size, info.linkname = kind, 0, "/etc/shadow"
            tar.addfile(info, io.BytesIO(content))
    content = out.getvalue()
    file.write_bytes(content + f"{hashlib.sha256(content).hexdigest()}\n".encode())


@pytest.mark.parametrize(
    "change",
    [
        {"cluster": "Demo"}, {"cluster": "../x"}, {"identity": "0"}, {"taken": "2026-07-01"},
        {"taken": 1}, {"kubernetes": "new"}, {"topology": "none"}, {"format": True},
        {"more": 1}, {"files": {}}, {"files": {"../x": {}}}, {"snapshot": {}}, {"kanae": "\x1b[0m"},
    ],
    ids=str,
)  # fmt: skip
def test_a_manifest_that_kanae_would_not_write_is_refused(change: dict[str, object]) -> None:
    told = model.told(parts().manifest) | change
    with pytest.raises(BackupError):
        model.from_json(json.dumps(told).encode(), "backup")


@pytest.mark.parametrize("name", ["marks/..", "marks/a/b", "/etc/x", "pki/../x", "pki/", "x"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    told = model.told(parts().manifest)
    told["files"][name] = {"sha256": "0" * 64, "size": 0, "mode": "0600"}
    with pytest.raises(BackupBroken):
        model.from_json(json.dumps(told).encode(), "backup")


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"[" * 100_000, b"1" * 10_000, b"\xff"])
def test_a_manifest_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(BackupBroken):
        model.from_json(text, "backup")


def test_another_format_is_told_from_damage() -> None:
    told = model.told(parts().manifest) | {"format": 2}
    with pytest.raises(NoBackup, match="this kanae reads 1"):
        model.from_json(json.dumps(told).encode(), "backup")


@pytest.mark.parametrize("recipients", [(), (RECIPIENT,)], ids=["plain", "encrypted"])
def test_nothing_is_left_of_one_that_could_not_be_made(
    recipients: tuple[str, ...], tmp_path: Path
) -> None:
    whole = parts()

    def lost() -> object:
        yield whole.snapshot[:100]
        raise KanaeError("the host is gone")

    for chunks, why in (
        (lost(), "the host is gone"),
        ([whole.snapshot[:-1]], "did not arrive"),
        ([b"\0" * len(whole.snapshot)], "did not arrive"),
    ):
        with pytest.raises(KanaeError, match=why):
            writer.write(tmp_path / "b", whole.manifest, whole.files, chunks, recipients)  # pyright: ignore[reportArgumentType]
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_without_etcds_own_digest_is_refused(tmp_path: Path) -> None:
    whole = parts()
    data = bytes(len(whole.snapshot))
    taking = replace(whole.manifest.snapshot, sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(BackupBroken, match="etcd has put at its end"):
        writer.write(tmp_path / "b", replace(whole.manifest, snapshot=taking), whole.files, [data])


def test_what_a_host_says_of_its_snapshot_is_judged_before_anything_is_written(
    tmp_path: Path,
) -> None:
    whole = parts()
    taking = replace(whole.manifest.snapshot, etcd="3.7.3\x1b[31m")
    with pytest.raises(BackupBroken):
        writer.write(tmp_path / "b", replace(whole.manifest, snapshot=taking), whole.files, [])
    assert list(tmp_path.iterdir()) == []
