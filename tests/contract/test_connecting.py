"""Each way in which a connection can fail, with its own error and exit code."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest
from contract_sshd import Sshd, fingerprint, key, running

from kanae.errors import (
    AuthenticationFailed,
    ConnectError,
    HostKeyChanged,
    HostKeyUnknown,
    SudoRefused,
)
from kanae.spec.models import Spec, Sudo
from kanae.transport.connect import Jumps
from kanae.transport.fleet import Fleet, FleetError
from kanae.transport.remote import Run
from kanae.transport.settings import reach_of
from kanae.transport.ssh import SshTransport


async def _refused(transport: SshTransport) -> ConnectError:
    with pytest.raises(ConnectError) as caught:
        await transport.connect()
    await transport.close()
    assert caught.value.remedy
    assert caught.value.message.startswith("m1: ")
    return caught.value


async def test_a_key_that_is_not_let_in(sshd: Sshd) -> None:
    error = await _refused(sshd.transport(key=sshd.folder / "other"))
    assert isinstance(error, AuthenticationFailed)
    assert f"root@127.0.0.1 port {sshd.port}" in error.message


async def test_a_key_file_that_is_missing(sshd: Sshd) -> None:
    error = await _refused(sshd.transport(key=sshd.folder / "missing"))
    assert isinstance(error, AuthenticationFailed)


async def test_a_port_where_nobody_listens(sshd: Sshd) -> None:
    error = await _refused(sshd.transport(port=1))
    assert type(error) is ConnectError
    assert "connection refused" in error.message


async def test_a_host_key_that_nobody_knows(sshd: Sshd) -> None:
    (sshd.folder / "known_hosts").write_text("")
    error = await _refused(sshd.transport())
    assert isinstance(error, HostKeyUnknown)
    assert f"--accept-host-key {fingerprint(sshd.folder / 'host_key')}" in error.remedy


async def test_a_known_hosts_file_that_is_missing_knows_no_host(sshd: Sshd) -> None:
    error = await _refused(sshd.transport(known_hosts=sshd.folder / "missing"))
    assert isinstance(error, HostKeyUnknown)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
async def test_a_host_key_that_changed(sshd: Sshd, kind: str) -> None:
    key(sshd.folder / "former", kind)
    public = (sshd.folder / "former.pub").read_text()
    (sshd.folder / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {public}")
    error = await _refused(sshd.transport())
    assert isinstance(error, HostKeyChanged)


async def test_ssh_config_gives_what_the_spec_does_not(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host m1\n  User root\n  Port {sshd.port}\n  IdentityFile {sshd.folder}/id\n"
        f"  UserKnownHostsFile {sshd.folder}/known_hosts\n"
    )
    spec = Spec.model_validate(
        {
            "name": "lab",
            "kubernetes": "1.37.2",
            "ssh": {"config": str(config)},
            "hosts": {"m1": {"address": "127.0.0.1", "roles": ["control-plane"]}},
        }
    )
    assert reach_of(spec, "m1").alias == "m1"
    async with Fleet(spec) as fleet:
        assert (await fleet["m1"].run("id -u")).stdout == b"0\n"


@pytest.fixture
def gate(sshd: Sshd, tmp_path: Path) -> dict[str, object]:
    """Settings by which the sshd is its own jump host."""
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host *\n  IdentityFile {sshd.folder}/id\n  UserKnownHostsFile {sshd.folder}/known_hosts\n"
    )
    return {"config": config, "jump": f"root@127.0.0.1:{sshd.port}"}


async def test_a_host_behind_a_jump_host(sshd: Sshd, gate: dict[str, object]) -> None:
    jumps = Jumps()
    reach = replace(sshd.reach, **gate)  # pyright: ignore[reportArgumentType]  # by name
    transport = SshTransport(reach, jumps=jumps)
    assert (await transport.run("echo there")).stdout == b"there\n"
    assert len(sshd.children()) == 2
    await transport.close()
    await jumps.close()


async def test_a_jump_host_that_does_not_get_there_is_told(
    sshd: Sshd, gate: dict[str, object]
) -> None:
    jumps = Jumps()
    reach = replace(sshd.reach, port=1, **gate)  # pyright: ignore[reportArgumentType]  # by name
    error = await _refused(SshTransport(reach, jumps=jumps))
    await jumps.close()
    assert type(error) is ConnectError
    assert f"the jump host root@127.0.0.1:{sshd.port} does not get there" in error.message


async def test_a_jump_host_that_refuses_is_told_for_the_host_behind_it(
    sshd: Sshd, gate: dict[str, object]
) -> None:
    (sshd.folder / "known_hosts").write_text("")
    error = await _refused(sshd.transport(**gate))  # pyright: ignore[reportArgumentType]  # by name
    assert isinstance(error, HostKeyUnknown)
    assert f"jump host 127.0.0.1: the host key of root@127.0.0.1 port {sshd.port}" in error.message


async def test_a_broken_jump_host_is_tried_once_for_all_hosts_behind_it(
    sshd: Sshd, gate: dict[str, object]
) -> None:
    jumps = Jumps()
    tried = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tried
        tried += 1
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    jump = f"root@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    reach = replace(sshd.reach, jump=jump)
    hosts = [SshTransport(replace(reach, host=f"w{n}"), jumps=jumps) for n in range(20)]
    errors = await asyncio.gather(*(h.connect() for h in hosts), return_exceptions=True)
    assert tried == 1
    for number, error in enumerate(errors):
        assert isinstance(error, ConnectError)
        assert error.message.startswith(f"w{number}: jump host 127.0.0.1: cannot connect")
        assert "it closed the connection at once" in error.message
    again = await asyncio.gather(hosts[0].connect(), return_exceptions=True)
    assert isinstance(again[0], ConnectError)
    assert tried == 2
    server.close()
    await server.wait_closed()


async def test_something_that_is_no_sshd_is_told(sshd: Sshd) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\n" + b"x: y\r\n" * 2000)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    error = await _refused(sshd.transport(port=server.sockets[0].getsockname()[1]))
    assert "whether it is sshd" in error.remedy or "is it sshd" in error.remedy
    server.close()
    await server.wait_closed()


async def test_all_hosts_that_fail_are_named(sshd: Sshd) -> None:
    spec = Spec.model_validate(
        {
            "name": "two",
            "kubernetes": "1.37.2",
            "ssh": {
                "user": "root",
                "key": str(sshd.folder / "id"),
                "known_hosts": str(sshd.folder / "known_hosts"),
            },
            "hosts": {
                "m1": {"address": "127.0.0.1", "roles": ["control-plane"], "ssh": {"port": 1}},
                "w1": {
                    "address": "127.0.0.1",
                    "roles": ["worker"],
                    "ssh": {"port": sshd.port, "key": str(sshd.folder / "other")},
                },
                "w2": {
                    "address": "127.0.0.1",
                    "roles": ["worker"],
                    "ssh": {"port": sshd.port},
                },
            },
        }
    )
    with pytest.raises(FleetError) as caught:
        async with Fleet(spec):
            pass
    assert set(caught.value.errors) == {"m1", "w1"}
    assert "m1: cannot connect" in str(caught.value)
    assert "w1: root@127.0.0.1" in str(caught.value)
    async with Fleet(spec, tolerant=True) as fleet:
        assert list(fleet) == ["w2"]
        with pytest.raises(AuthenticationFailed):
            fleet["w1"]


SUDO = """#!/bin/sh
# Plays sudo: asks for a password on standard input when called with -S.
ask=no
while :; do
  case $1 in
    -n|-k) shift ;;
    -S) ask=yes; shift ;;
    -p) shift 2 ;;
    --) shift; break ;;
    *) break ;;
  esac
done
if [ $ask = yes ]; then IFS= read -r word; else word=none; fi
[ "$word" = "WANTED" ] || { echo "sudo: a password is required" >&2; exit 1; }
exec "$@"
"""


def _with_sudo(folder: Path, wanted: str) -> str:
    """sshd_config lines that put a sudo of our own first in the path."""
    program = folder / "bin" / "sudo"
    program.parent.mkdir()
    program.write_text(SUDO.replace("WANTED", wanted))
    program.chmod(0o755)
    return f"SetEnv PATH={program.parent}:{os.environ['PATH']}"


def _sudoer(sshd: Sshd, kind: Sudo, password: str | None = None) -> SshTransport:
    return SshTransport(replace(sshd.reach, sudo=kind), jumps=Jumps(), password=password)


async def test_sudo_takes_the_password_from_standard_input(tmp_path: Path) -> None:
    with running(tmp_path, options=_with_sudo(tmp_path, "open sesame")) as sshd:
        transport = _sudoer(sshd, Sudo.PASSWORD, "open sesame")
        done = await transport.run("cat", stdin=b"data")
        assert done.stdout == b"data"
        await transport.close()


@pytest.mark.parametrize(
    ("kind", "password"),
    [(Sudo.PASSWORDLESS, None), (Sudo.PASSWORD, "wrong"), (Sudo.PASSWORD, None)],
)
async def test_sudo_that_refuses(tmp_path: Path, kind: Sudo, password: str | None) -> None:
    with running(tmp_path, options=_with_sudo(tmp_path, "open sesame")) as sshd:
        error = await _refused(_sudoer(sshd, kind, password))
        assert isinstance(error, SudoRefused)
        assert "a password is required" in error.message


async def test_after_sudo_refused_nothing_is_run_without_asking_it_again(tmp_path: Path) -> None:
    with running(tmp_path, options=_with_sudo(tmp_path, "open sesame")) as sshd:
        transport = _sudoer(sshd, Sudo.PASSWORD, "wrong")
        for _ in range(2):
            with pytest.raises(SudoRefused):
                await transport.run("echo ran")
            assert transport.closed


async def test_hosts_left_out_of_a_tolerant_fleet_keep_no_connection(tmp_path: Path) -> None:
    with running(tmp_path, options=_with_sudo(tmp_path, "open sesame")) as sshd:
        ssh = {
            "user": "root",
            "port": sshd.port,
            "key": str(sshd.folder / "id"),
            "knownHosts": str(sshd.folder / "known_hosts"),
            "sudo": "passwordless",
        }
        host = {"address": "127.0.0.1", "roles": ["control-plane"]}
        spec = Spec.model_validate(
            {"name": "one", "kubernetes": "1.37.2", "ssh": ssh, "hosts": {"m1": host}}
        )
        async with Fleet(spec, tolerant=True) as fleet, asyncio.timeout(10):
            assert isinstance(fleet.unreachable["m1"], SudoRefused)
            while sshd.children():  # noqa: ASYNC110  # sshd notices a little later
                await asyncio.sleep(0.02)


async def test_a_password_that_sudo_did_not_ask_for_never_runs_as_script(sshd: Sshd) -> None:
    run = Run("t/1", "echo script", 10, sudo="", password="echo secret")
    done = await sshd.raw(run.command, run.preamble)
    assert b"secret" not in done
    assert b"script" in done
