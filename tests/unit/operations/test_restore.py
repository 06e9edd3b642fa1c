"""A backup opened for a restore, and what tries one."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kanae.backup import writer
from kanae.backup.model import REQUIRED, Manifest, Snapshot
from kanae.errors import BackupBroken
from kanae.execute.actions.authorities import gather
from kanae.execute.context import StepContext
from kanae.execute.values import Values
from kanae.facts.parse_cluster import Hash, parse_hashes
from kanae.operations.decryption import Undecided, decrypted
from kanae.operations.restore import opened
from kanae.plan.actions import GatherAuthorities
from kanae.plan.certificates import AUTHORITIES
from kanae.plan.membership import roster
from kanae.plan.model import Step

from ...model.fixtures import example

_BODY = b"etcd" * 128
# With its sha256 at its end, as etcd gives a snapshot.
DATA = _BODY + hashlib.sha256(_BODY).digest()


@pytest.fixture
def backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of the cluster of an example."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    spec = example("reference")
    files = {name: f"what is in {name}\n".encode() for name in REQUIRED}
    files["marks/hosts"] = roster(spec).encode()
    snapshot = Snapshot(
        "server1", "3.7.3", 7, 1, 9, len(DATA), hashlib.sha256(DATA).hexdigest(), ("server1",)
    )
    manifest = Manifest(
        spec.name,
        "a" * 32,
        datetime(2026, 7, 1, 12, tzinfo=UTC),
        "1.0",
        spec.version,
        "external",
        snapshot,
        {name: writer.stored(content) for name, content in files.items()},
    )
    file = tmp_path / "b.tar"
    writer.write(file, manifest, files, [DATA])
    return file


def test_what_is_in_a_backup_lies_where_only_its_owner_reads_it_until_it_is_restored(
    backup: Path,
) -> None:
    with opened(backup, None) as saved:
        folder = Path(saved.folder)
        assert Path(saved.snapshot).read_bytes() == DATA
        assert (saved.cluster, saved.identity, saved.revision) == ("reference", "a" * 32, 7)
        assert saved.taken == "2026-07-01T12:00:00Z"
        assert set(saved.hosts) == set(example("reference").hosts)
        assert folder.stat().st_mode & 0o777 == 0o700
        for name in REQUIRED:
            there = folder / name
            assert there.read_bytes().startswith(b"what is in")
            assert there.stat().st_mode & 0o077 == 0
        assert Path(saved.snapshot).stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_one_that_is_damaged_is_not_opened(backup: Path) -> None:
    content = backup.read_bytes()
    backup.write_bytes(content[:-1])
    with pytest.raises(BackupBroken, match="cut short"), opened(backup, None):
        pass


async def test_authorities_are_read_from_its_folder(backup: Path) -> None:
    with opened(backup, None) as saved:
        values = Values()
        action = GatherAuthorities(tuple(AUTHORITIES), "", saved.folder)
        await gather(StepContext(Step("x", None, "x", "x", action), {}, values, 0.0))  # pyright: ignore[reportArgumentType]  # no host is asked
        assert values.get("authority/ca/public") == "what is in pki/ca.crt\n"
        assert values.get("authority/etcd-ca/private") == "what is in pki/etcd/ca.key\n"


def configuration(provider: str, key: bytes) -> dict[str, bytes]:
    document: dict[str, Any] = {
        "kind": "EncryptionConfiguration",
        "resources": [
            {
                "resources": ["secrets"],
                "providers": [
                    {"identity": {}},
                    {provider: {"keys": [
                        {"name": "other", "secret": base64.b64encode(b"x" * 32).decode()},
                        {"name": "k1", "secret": base64.b64encode(key).decode()},
                    ]}},
                ],
            }
        ],
    }  # fmt: skip
    return {"encryption/config.yaml": json.dumps(document).encode()}


AT = "/registry/secrets/default/a"
PLAIN = b"k8s\x00 a Secret"


def sealed(provider: str, key: bytes) -> bytes:
    """As Kubernetes' API server writes it."""
    if provider == "aesgcm":
        nonce = secrets.token_bytes(12)
        body = nonce + AESGCM(key).encrypt(nonce, PLAIN, AT.encode())
    else:
        iv = secrets.token_bytes(16)
        padder = padding.PKCS7(128).padder()
        encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
        body = iv + encryptor.update(padder.update(PLAIN) + padder.finalize())
        body += encryptor.finalize()
    return f"k8s:enc:{provider}:v1:k1:".encode() + body


@pytest.mark.parametrize("provider", ["aescbc", "aesgcm"])
def test_a_secret_is_opened_with_the_key_that_it_names(provider: str) -> None:
    key = secrets.token_bytes(32)
    stored = sealed(provider, key)
    assert decrypted(stored, AT, configuration(provider, key)) == PLAIN
    with pytest.raises(ValueError, match=f"has no {provider} key 'k1'"):
        decrypted(stored, AT, {})


def test_another_key_of_the_same_name_does_not_open_it() -> None:
    stored = sealed("aesgcm", secrets.token_bytes(32))
    with pytest.raises(ValueError, match="does not open"):
        decrypted(stored, AT, configuration("aesgcm", secrets.token_bytes(32)))


def test_what_is_not_encrypted_is_as_it_is_and_a_service_is_not_tried() -> None:
    assert decrypted(PLAIN, AT, {}) == PLAIN
    with pytest.raises(Undecided, match="kms"):
        decrypted(b"k8s:enc:kms:v2:name:bytes", AT, {})


def test_hashes_of_members() -> None:
    told = [
        {"Endpoint": "https://a:2379", "HashKV": {"header": {"revision": 9}, "hash": 5,
                                                  "compact_revision": 3, "hash_revision": 8}},
        {"Endpoint": "https://b:2379", "HashKV": {"header": {"revision": 9}, "hash": 6}},
        {"Endpoint": "https://c:2379"},
    ]  # fmt: skip
    found = parse_hashes(json.dumps(told).encode())
    assert found == {"https://a:2379": Hash(5, 8, 3), "https://b:2379": Hash(6, 9, 0)}
    assert parse_hashes(b"no JSON") == {}
