"""Which of several files decides on a host's key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest

from kanae.errors import OfferedKey
from kanae.transport import known_hosts
from kanae.transport.known_hosts import KnownHosts, accept
from kanae.transport.target import HOST_CERTIFICATES, host_key_algorithms


def _key(kind: str) -> asyncssh.SSHKey:
    private = asyncssh.generate_private_key(kind)  # pyright: ignore[reportUnknownMemberType]
    return private.convert_to_public()


KEYS = {"old": _key("ssh-ed25519"), "new": _key("ssh-ed25519"), "rsa": _key("ssh-rsa")}
LINES = {name: known_hosts.public(key) for name, key in KEYS.items()}


@pytest.fixture
def look(tmp_path: Path) -> Callable[[int], KnownHosts]:
    def look(port: int = 22) -> KnownHosts:
        return KnownHosts.read(
            "10.0.0.1",
            port,
            address="10.0.0.1",
            files=(tmp_path / "theirs", tmp_path / "missing"),
            accepted=tmp_path / "state" / "known_hosts",
        )

    return look


def _accept(tmp_path: Path, key: str, name: str = "10.0.0.1") -> None:
    offered = OfferedKey("m1", "root@10.0.0.1 port 22", name, LINES[key], "SHA256:x")
    accept(tmp_path / "state" / "known_hosts", offered)


def test_what_was_accepted_wins_over_the_other_files(
    tmp_path: Path, look: Callable[..., KnownHosts]
) -> None:
    (tmp_path / "theirs").write_text(f"10.0.0.1 {LINES['old']}\n")
    assert look().keys == (KEYS["old"],)
    _accept(tmp_path, "new")
    assert look().keys == (KEYS["new"],)
    assert [line.split(" in ")[1] for line in look().trusted()] == [
        f"{tmp_path}/state/known_hosts line 1"
    ]
    _accept(tmp_path, "rsa")
    assert look().keys == (KEYS["rsa"],)


def test_what_was_accepted_for_one_host_says_nothing_of_another(
    tmp_path: Path, look: Callable[..., KnownHosts]
) -> None:
    (tmp_path / "theirs").write_text(f"[10.0.0.1]:2222 {LINES['old']}\n")
    _accept(tmp_path, "new")
    _accept(tmp_path, "rsa", "10.0.0.2")
    assert look(2222).keys == (KEYS["old"],)
    _accept(tmp_path, "new", "[10.0.0.1]:2222")
    assert look(2222).keys == look().keys == (KEYS["new"],)
    assert len((tmp_path / "state/known_hosts").read_text().splitlines()) == 3


def test_a_key_that_the_operator_revokes_stays_revoked(
    tmp_path: Path, look: Callable[..., KnownHosts]
) -> None:
    (tmp_path / "theirs").write_text(f"10.0.0.1 {LINES['old']}\n@revoked * {LINES['new']}\n")
    _accept(tmp_path, "new")
    assert look().revoked == (KEYS["new"],)
    assert look().keys == (KEYS["new"],)


def test_each_trusted_key_is_found_with_its_file_and_line(
    tmp_path: Path, look: Callable[..., KnownHosts]
) -> None:
    (tmp_path / "theirs").write_text(
        f"# mine\nother {LINES['new']}\n10.0.0.* {LINES['old']} a comment\n"
        f"@cert-authority * {LINES['rsa']}\n10.0.0.1 {LINES['old']}\n"
    )
    old, authority = (KEYS[name].get_fingerprint() for name in ("old", "rsa"))
    assert list(look().trusted()) == [
        f"ssh-ed25519 {old} in {tmp_path}/theirs line 3",
        f"authority ssh-rsa {authority} in {tmp_path}/theirs line 4",
    ]


def test_certificates_are_asked_for_only_where_an_authority_is_known(
    tmp_path: Path, look: Callable[..., KnownHosts]
) -> None:
    assert not set(HOST_CERTIFICATES) & set(host_key_algorithms(look()))
    (tmp_path / "theirs").write_text(f"10.0.0.1 {LINES['rsa']}\n")
    assert host_key_algorithms(look())[0].startswith("rsa-")
    (tmp_path / "theirs").write_text(f"@cert-authority * {LINES['rsa']}\n")
    assert host_key_algorithms(look())[:3] == list(HOST_CERTIFICATES)


def test_no_files_at_all_know_no_host(look: Callable[..., KnownHosts]) -> None:
    assert (look().text, look().keys, list(look().trusted())) == (b"\n", (), [])
