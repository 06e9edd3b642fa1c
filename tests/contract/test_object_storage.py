"""Backups in object storage, with a real server, versitygw: the one of $PATH, or the one that
`make programs` (tools/test-programs) has built into the cache of tests. Skipped without one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kanae import paths
from kanae.backup.name import name_of
from kanae.backup.s3 import BucketTarget, Credentials, credentials
from kanae.errors import BackupError, NoBackup, UsageError
from kanae.spec.backup import ObjectStorage
from kanae.spec.places import Bucket

VERSION = "v1.8.0"
OURS = Credentials("tester", "of-a-test-only")
TAKEN = datetime(2026, 7, 1, 12, tzinfo=UTC)
IDENTITY = "0123456789abcdef" * 2


def server_program() -> str | None:
    cached = paths.home() / ".cache" / "kanae-tests" / f"versitygw-{VERSION}" / "versitygw"
    return str(cached) if cached.exists() else shutil.which("versitygw")


@dataclass(frozen=True, slots=True)
class Server:
    endpoint: str
    folder: Path

    def target(
        self, staging: Path, *, bucket: str = "backups", prefix: str = "prod/etcd",
        ours: Credentials = OURS,
    ) -> BucketTarget:  # fmt: skip
        storage = ObjectStorage(endpoint=self.endpoint)
        return BucketTarget(Bucket(bucket, prefix), storage, ours, staging)


@pytest.fixture
def server(tmp_path: Path) -> Generator[Server]:
    program = server_program()
    if program is None:
        pytest.skip("needs versitygw")
    folder = tmp_path / "objects"
    (folder / "backups").mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "ROOT_ACCESS_KEY": OURS.key,
        "ROOT_SECRET_KEY": OURS.secret,
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "--port", f"127.0.0.1:{port}", "posix", str(folder)],
            env=environment, stdout=log, stderr=log, cwd=tmp_path,
        )  # fmt: skip
    try:
        _listens(port, process)
        yield Server(f"http://127.0.0.1:{port}", folder)
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "versitygw ended at once"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            continue
        return
    raise AssertionError("versitygw does not listen")


# More than one part of an upload.
@pytest.mark.parametrize("size", [1000, (64 << 20) + 12345])
async def test_what_is_put_comes_back(server: Server, tmp_path: Path, size: int) -> None:
    target, content = server.target(tmp_path), os.urandom(size)
    sha256 = hashlib.sha256(content).hexdigest()
    called = name_of("demo", TAKEN, IDENTITY, sha256, encrypted=True)
    staged = tmp_path / ".staged"
    staged.write_bytes(content)
    assert await target.kept() == []
    await target.put(staged, called, sha256)
    assert not staged.exists()
    assert (server.folder / "backups/prod/etcd" / str(called)).read_bytes() == content
    (server.folder / "backups/prod/etcd/notes.txt").write_text("of somebody else")
    assert [(each.name, each.size) for each in await target.kept()] == [(called, size)]
    async with target.local(called) as file:
        assert file.read_bytes() == content
    assert not file.exists()
    await target.remove(called)
    assert await target.kept() == []
    assert (server.folder / "backups/prod/etcd/notes.txt").exists()


async def test_what_the_server_refuses_is_told(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="cannot list backups") as error:
        await server.target(tmp_path, ours=Credentials("tester", "wrong-secret")).kept()
    assert "wrong-secret" not in str(error.value)
    with pytest.raises(NoBackup, match="no such bucket"):
        await server.target(tmp_path, bucket="nowhere").kept()
    gone = name_of("demo", TAKEN, IDENTITY, "0" * 64, encrypted=False)
    with pytest.raises(NoBackup, match="no such object"):
        async with server.target(tmp_path).local(gone):
            pass


async def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(BackupError, match="cannot list backups"):
        await Server(endpoint, tmp_path).target(tmp_path).kept()


def test_credentials_come_from_the_environment_or_a_private_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    given = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert credentials(given) == Credentials("a", "b")
    assert "b" not in repr(Credentials("a", "b"))[20:]
    with pytest.raises(UsageError, match="are not set"):
        credentials({})
    file = tmp_path / ".aws" / "credentials"
    file.parent.mkdir()
    file.write_text("[default]\naws_access_key_id = c\naws_secret_access_key = d%\n")
    file.chmod(0o644)
    with pytest.raises(UsageError, match="others may read it"):
        credentials({})
    file.chmod(0o600)
    assert credentials({}) == Credentials("c", "d%")
    with pytest.raises(UsageError, match="no key and secret in its section 'other'"):
        credentials({"AWS_PROFILE": "other"})
