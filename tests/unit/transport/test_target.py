"""What is dialled in the end: the spec's settings laid over those of ssh_config."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from kanae.errors import AuthenticationFailed, ConnectError
from kanae.transport.connect import Jumps
from kanae.transport.explain import explained
from kanae.transport.settings import Reach
from kanae.transport.target import Target, resolve


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


def _key(path: Path, passphrase: str = "") -> Path:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)]
    subprocess.run(command, check=True)
    return path


def _target(home: Path, config: str, **fields: object) -> Target:
    file = home / "ssh_config"
    file.write_text(config)
    reach = Reach("m1", "10.0.0.1", "m1", config=file)
    return resolve(replace(reach, **fields))  # pyright: ignore[reportArgumentType]  # by name


FULL = (
    "Host m1\n HostName 10.9.9.9\n Port 2222\n User deploy\n UserKnownHostsFile /known/a /known/b\n"
)


def test_ssh_config_says_what_the_spec_leaves_open(home: Path) -> None:
    target = _target(home, FULL)
    assert target.where == "deploy@10.9.9.9 port 2222"
    assert target.known_hosts == (Path("/known/a"), Path("/known/b"))
    assert target.jump is None


def test_the_spec_beats_ssh_config_except_for_the_address_to_dial(home: Path) -> None:
    target = _target(home, FULL, user="root", port=22, known_hosts=Path("/known/spec"))
    assert target.where == "root@10.9.9.9 port 22"
    assert target.known_hosts == (Path("/known/spec"),)


def test_the_first_value_in_ssh_config_wins(home: Path) -> None:
    target = _target(home, "Host m*\n User first\nHost m1\n User second\n Port 23\n")
    assert target.where == "first@10.0.0.1 port 23"


def test_without_ssh_config_the_specs_address_is_dialled(home: Path) -> None:
    target = resolve(Reach("m1", "10.0.0.1", "10.0.0.1", user="root"))
    assert target.where == "root@10.0.0.1 port 22"
    assert target.known_hosts == (home / ".ssh" / "known_hosts",)
    assert target.known.text == b"\n"


@pytest.mark.parametrize(
    "line",
    [
        "word",
        "@cert-authority",
        "@nonsense 10.0.0.9 KEY",
        "|1|bad KEY",
        "|1|not|base64 KEY",
        "|2|YQ==|YQ== KEY",
    ],
)
def test_a_line_of_known_hosts_that_is_no_entry_is_passed_over(home: Path, line: str) -> None:
    key = _key(home / "id").with_suffix(".pub").read_text().strip()
    (home / "known").write_text(f"{line.replace('KEY', key)}\n10.0.0.1 {key}\n")
    target = _target(home, "", known_hosts=home / "known")
    known, *_ = target.known.keys
    assert known.export_public_key().decode().split()[:2] == key.split()[:2]


def test_included_files_count(home: Path) -> None:
    (home / "more").write_text("Host m1\n Port 2022\n")
    assert _target(home, f"Include {home}/more\nHost *\n Port 23\n").port == 2022


@pytest.mark.parametrize(
    ("config", "spec", "jump"),
    [
        ("Host m1\n ProxyJump gate\n", None, "gate"),
        ("Host m1\n ProxyJump gate\n", "me@other:23", "me@other:23"),
        ("Host m1\n ProxyJump none\n", None, None),
        ("Host m1\n ProxyJump a,b:23\n", None, "a,b:23"),
        ("", "gate", "gate"),
        ("", None, None),
    ],
)
def test_the_jump_host_is_the_specs_else_that_of_ssh_config(
    home: Path, config: str, spec: str | None, jump: str | None
) -> None:
    assert _target(home, config, jump=spec).jump == jump


async def test_what_is_no_jump_host_is_an_error_and_no_defect(home: Path) -> None:
    for jump in ("gate:ssh", "me@", "a:1:2", "[::1"):
        with pytest.raises(ConnectError, match="no jump host") as caught:
            await Jumps().get(jump, Reach("m1", "10.0.0.1", "m1"))
        assert caught.value.remedy


def test_the_key_in_the_spec_beats_those_of_ssh_config(home: Path) -> None:
    one, two = _key(home / "one"), _key(home / "two")
    config = f"Host m1\n IdentityFile {one}\n"
    assert _target(home, config).keys == (str(one),)
    target = _target(home, config, key=two)
    assert target.keys == (str(two),)
    assert [pair.public_data for pair in target.options.client_keys or ()] == [
        asyncssh.read_public_key(f"{two}.pub").public_data
    ]


def test_a_key_of_ssh_config_that_is_not_there_is_passed_over_as_ssh_does(home: Path) -> None:
    one = _key(home / "one")
    target = _target(home, f"Host *\n IdentityFile ~/.ssh/missing\n IdentityFile {one}\n")
    assert target.options.client_keys is not None
    assert len(target.options.client_keys) == 1


def test_a_key_of_the_spec_that_is_not_there_is_an_error(home: Path) -> None:
    with pytest.raises(
        AuthenticationFailed, match=r"10\.0\.0\.1: /missing: No such file"
    ) as caught:
        _target(home, "", key=Path("/missing"))
    assert "`ssh.key`" in caught.value.remedy


def test_a_file_that_is_no_key_is_an_error(home: Path) -> None:
    (home / "id").write_text("not a key\n")
    with pytest.raises(AuthenticationFailed, match="unusable"):
        _target(home, "", key=home / "id")


def test_a_key_with_a_passphrase_is_left_to_the_agent(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = _target(home, "", key=_key(home / "locked", "open sesame"), user="root")
    assert not target.options.client_keys
    said = explained(target, asyncssh.PermissionDenied("no"), 10)
    assert f"{home}/locked has a passphrase; offered: no key" in said.message
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    said = explained(target, asyncssh.PermissionDenied("no"), 10)
    assert "has a passphrase; offered: keys of ssh-agent" in said.message


@pytest.mark.parametrize(
    "line", ["Port many", "Include", "HostName", "User 'open", "ConnectTimeout soon"]
)
def test_an_ssh_config_that_is_wrong_is_an_error_and_no_defect(home: Path, line: str) -> None:
    with pytest.raises(ConnectError) as caught:
        _target(home, f"Host m1\n {line}\n")
    assert "`ssh.config`" in caught.value.remedy


def test_host_keys_behind_a_jump_host_are_looked_at_from_there(home: Path) -> None:
    target = _target(home, "", user="root", jump="a@one,two:23", port=2222)
    (home / "known").write_text(
        f"@revoked * {_key(home / 'revoked').with_suffix('.pub').read_text()}"
    )
    error = explained(
        replace(target, known_hosts=(home / "known",)), asyncssh.HostKeyNotVerifiable("no"), 10
    )
    assert "`ssh -J a@one ssh://two:23 ssh-keyscan -p 2222 10.0.0.1 | ssh-keygen" in error.remedy
