"""What a user of the command line is told when SSH does not get to a host as root, and the exit
code: the same for every verb that asks the hosts.

A real sshd on loopback stands for the host. Would it let kanae in, then the address in the spec,
which this machine does not have, would still keep apply from changing anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from contract_sshd import Sshd, fingerprint, key, running

from kanae.cli import main
from kanae.lab import record
from kanae.lab.record import HostRecord, LabRecord, Phase

# Plays the refusals of the real one, in its words; sudo 1.9.13.
NEEDS_PASSWORD = 'echo "sudo: a password is required" >&2; exit 1'
WRONG_PASSWORD = """cat >/dev/null
printf "kanae:Sorry, try again.\\nkanae:" >&2
printf "sudo: no password was provided\\nsudo: 1 incorrect password attempt\\n" >&2; exit 1"""
NO_SUDOER = 'echo "root is not in the sudoers file." >&2; exit 1'
NEEDS_TTY = 'echo "sudo: sorry, you must have a tty to run sudo" >&2; exit 1'


@dataclass(frozen=True, slots=True)
class Case:
    """set_up: changes files before kanae runs. key: the IdentityFile. ssh_config: lines that come
    first and so win.

    accounts: root's lines in files of /etc, as the host has them.

    ssh: fields of the spec's ssh. sudo: body of the host's sudo program, or None for no such
    program. told: what the error has to name, with {at} for user, address and port.
    """

    exit_code: int
    told: tuple[str, ...]
    set_up: Callable[[Sshd], None] = lambda sshd: None
    key: str = "id"
    ssh_config: str = ""
    ssh: str = ""
    sudo: str | None = None
    sshd_config: str = ""
    password: str | None = None
    accounts: Mapping[str, str] = field(default_factory=dict[str, str])


def _forget(sshd: Sshd) -> None:
    (sshd.folder / "known_hosts").write_text("")


def _change(sshd: Sshd) -> None:
    key(sshd.folder / "former")
    public = (sshd.folder / "former.pub").read_text()
    (sshd.folder / "known_hosts").write_text(
        f"# of an operator\nelsewhere {public}[127.0.0.1]:{sshd.port} {public}"
    )


def _revoke(sshd: Sshd) -> None:
    public = (sshd.folder / "host_key.pub").read_text()
    with (sshd.folder / "known_hosts").open("a") as file:
        file.write(f"@revoked * {public}")


CASES = {
    "wrong key": Case(
        11,
        ("{at} refuses this user or key", "offered: {folder}/other", "authorized_keys"),
        key="other",
    ),
    "no such key": Case(
        11,
        ("cannot connect to 192.0.2.1: {folder}/missing: No such file", "`ssh.key`"),
        ssh=", key: {folder}/missing",
    ),
    "key with a passphrase": Case(
        11,
        ("{at} refuses", "{folder}/locked has a passphrase; offered: no key", "in ssh-agent"),
        set_up=lambda sshd: key(sshd.folder / "locked", passphrase="open sesame"),
        ssh=", key: {folder}/locked",
    ),
    "too many keys": Case(
        11,
        ("{at} refuses after too many keys", "IdentitiesOnly"),
        key="other",
        sshd_config="MaxAuthTries 1",
    ),
    "refused port": Case(
        10, ("cannot connect to root@127.0.0.1 port 1: connection refused", "sshd running"),
        ssh_config="Port 1",
    ),
    "unknown host key": Case(
        12,
        (
            "host key of {at} is not in {folder}/known_hosts: it shows ssh-ed25519 {fingerprint}",
            "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
            "if they agree: --accept-host-key {fingerprint}",
        ),
        set_up=_forget,
    ),
    "changed host key": Case(
        13,
        (
            "{at} shows another host key than the known one: it shows ssh-ed25519 {fingerprint}",
            "known is ssh-ed25519 {former} in {folder}/known_hosts line 3;",
            "if the machine was reinstalled and they agree: --accept-host-key {fingerprint}",
        ),
        set_up=_change,
    ),
    "revoked host key": Case(
        13,
        ("{at} shows no host key that is trusted by {folder}/known_hosts (Host key is revoked",
         "`ssh-keyscan -p {port} 127.0.0.1 | ssh-keygen -lf -`"),
        set_up=_revoke,
    ),
    "sudo wants a password": Case(
        14,
        ("{at}: sudo does not let root become root", "password is required", "sudo: password"),
        ssh=", sudo: passwordless",
        sudo=NEEDS_PASSWORD,
    ),
    "wrong sudo password": Case(
        14,
        ("{at}: the password that was given is not", "sudo wants of root", "KANAE_SUDO_PASSWORD"),
        ssh=", sudo: password",
        sudo=WRONG_PASSWORD,
        password="wrong",
    ),
    "sudo password that nobody gives": Case(
        14,
        ("{at}: a password is required for sudo", "no terminal", "KANAE_SUDO_PASSWORD"),
        ssh=", sudo: password",
        sudo=NEEDS_PASSWORD,
    ),
    "no sudo": Case(
        14, ("{at}: there is no sudo", "install sudo", "user: root"), ssh=", sudo: passwordless"
    ),
    "not in sudoers": Case(
        14,
        ("{at}: sudo does not let", "not in the sudoers file", "NOPASSWD"),
        ssh=", sudo: passwordless",
        sudo=NO_SUDOER,
    ),
    "sudo wants a terminal": Case(
        14, ("{at}: sudo does not let", "!requiretty"), ssh=", sudo: passwordless", sudo=NEEDS_TTY
    ),
    "another user is wanted": Case(
        10,
        ("{at} lets this user in but runs nothing", 'log in as "admin"', "`ssh.user`"),
        sshd_config="ForceCommand echo 'Please log in as \"admin\"'; exit 142",
    ),
    "no login shell, with sudo": Case(
        10,
        ("{at}: root has no login shell there: This account", "usermod -s /bin/sh root"),
        ssh=", sudo: passwordless",
        accounts={"passwd": "root:x:0:0::/root:/usr/sbin/nologin"},
    ),
    "no login shell": Case(
        10,
        ("{at}: root has no login shell there: This account", "usermod -s /bin/sh root"),
        accounts={"passwd": "root:x:0:0::/root:/usr/sbin/nologin"},
    ),
    "expired password, with sudo": Case(
        10,
        ("{at}: the password of root has expired", "log in as root", "chage -M -1"),
        ssh=", sudo: passwordless",
        sshd_config="UsePAM yes",
        accounts={"shadow": "root:*:0:0:99999:7:::"},
    ),
    "expired password": Case(
        10,
        ("{at}: the password of root has expired", "log in as root", "chage -M -1"),
        sshd_config="UsePAM yes",
        accounts={"shadow": "root:*:0:0:99999:7:::"},
    ),
    "an account that ends at once, with sudo": Case(
        10,
        ("{at} lets this user in but runs nothing", "exit status 1 and no reason", "`ssh.user`"),
        ssh=", sudo: passwordless",
        accounts={"passwd": "root:x:0:0::/root:/bin/false"},
    ),
    "broken jump host": Case(
        10,
        ("jump host 127.0.0.1: cannot connect to root@127.0.0.1 port 1", "Port of `Host 127.0"),
        ssh=", jump: 'root@127.0.0.1:1'",
    ),
    "jump host that is none": Case(
        10, ("this is no jump host", "user@host:port"), ssh_config="ProxyJump gate:ssh"
    ),
}  # fmt: skip


class Operator:
    """A spec of one host that the sshd plays, and the command line."""

    def __init__(self, sshd: Sshd, case: Case, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        folder = sshd.folder
        self.names = {
            "folder": str(folder),
            "port": str(sshd.port),
            "at": f"root@127.0.0.1 port {sshd.port}",
        }
        case.set_up(sshd)
        for name, file in {"fingerprint": "host_key", "former": "former"}.items():
            if (folder / file).exists():
                self.names[name] = fingerprint(folder / file)
        (folder / "ssh_config").write_text(
            f"Host m1 w1\n  {self.fill(case.ssh_config)}\n  HostName 127.0.0.1\n"
            f"  Port {sshd.port}\n  User root\n  IdentityFile {folder}/{case.key}\n"
            f"  UserKnownHostsFile {folder}/known_hosts\n"
        )
        self.spec = folder / "cluster.yaml"
        self._ssh = f"{{config: {folder}/ssh_config{self.fill(case.ssh)}}}"
        self.write(MASTER)

    def write(self, *hosts: str) -> None:
        lines = "\n".join(f"  {host}" for host in hosts)
        self.spec.write_text(
            f"name: demo\nkubernetes: v1.37.2\nssh: {self._ssh}\nhosts:\n{lines}\n"
        )

    def fill(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def kanae(self, verb: str, *options: str) -> tuple[int, str, str]:
        """Exit code, standard output and error."""
        try:
            main([verb, str(self.spec), *options])
        except SystemExit as end:
            code = end.code
        else:
            code = 0
        assert isinstance(code, int)
        out, err = self._capture.readouterr()
        return code, out, err


def _options(folder: Path, case: Case) -> str:
    """sshd_config lines that make the host one with this sudo, or with no sudo at all."""
    programs = folder / "bin"
    programs.mkdir()
    if case.sudo is not None:
        (programs / "sudo").write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{case.sudo}\n")
        (programs / "sudo").chmod(0o755)
    hidden = case.sudo is None and "sudo" in case.ssh
    system = "" if hidden else f":{os.environ['PATH']}"
    return f"SetEnv PATH={programs}{system}\n{case.sshd_config}"


@pytest.fixture(autouse=True)
def _no_one_elses_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("SSH_AUTH_SOCK", "KANAE_SUDO_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_cause_is_told_in_one_paragraph_with_its_own_exit_code(
    case: Case,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if case.password is not None:
        monkeypatch.setenv("KANAE_SUDO_PASSWORD", case.password)
    with running(tmp_path, options=_options(tmp_path, case), accounts=case.accounts) as sshd:
        operator = Operator(sshd, case, capsys)
        for verb, *options in (("plan",), ("apply", "--yes"), ("check",), ("status",)):
            code, out, err = operator.kanae(verb, *options)
            assert code == (0 if verb == "status" else case.exit_code), (verb, out, err)
            said = out if verb in ("check", "status") else err
            for words in case.told:
                assert operator.fill(words) in said, (verb, said)
            if verb in ("plan", "apply"):
                error, remedy = err.splitlines()
                assert error.startswith("error: m1: ")
                assert remedy.startswith("  remedy: ")
                assert not out


MASTER = "m1: {address: 192.0.2.1, roles: [control-plane, worker]}"
WORKERS = [f"w{n}: {{address: 192.0.2.1{n}, roles: [worker]}}" for n in (1, 2)]


def test_what_is_the_same_for_several_hosts_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(10, (), ssh=", jump: 'root@127.0.0.1:1', connectTimeout: 5")
    with running(tmp_path) as sshd:
        operator = Operator(sshd, case, capsys)
        operator.write(MASTER, *WORKERS)
        code, _, err = operator.kanae("plan")
    assert code == 10
    assert err.startswith("error: m1, w1, w2: jump host 127.0.0.1: cannot connect")
    assert len(err.splitlines()) == 2


def test_a_wrong_sudo_password_is_told_once_for_all_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KANAE_SUDO_PASSWORD", "wrong")
    case = Case(14, (), ssh=", sudo: password", sudo=WRONG_PASSWORD)
    with running(tmp_path, options=_options(tmp_path, case)) as sshd:
        operator = Operator(sshd, case, capsys)
        operator.write(MASTER, WORKERS[0])
        code, _, err = operator.kanae("plan")
    assert code == 14
    assert err.splitlines()[0] == (
        "error: m1, w1: the password that was given is not the one that sudo wants of root"
    )
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize("name", ["unknown host key", "wrong key"])
def test_hosts_of_a_lab_that_is_called_otherwise_are_told_so(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "kanae/labs/before"
    host = HostRecord(name="m1", address=IPv4Address("127.0.0.1"), index=1, machine_id="")
    made = LabRecord(
        name="before",
        phase=Phase.UP,
        boot="",
        subnet=IPv4Network("127.0.0.0/24"),
        gateway=IPv4Address("127.0.0.254"),
        bases={},
        operator_password="p",
        hosts=(host,),
    )
    with running(tmp_path) as sshd:
        operator = Operator(sshd, CASES[name], capsys)
        record.write(folder, made)
        code, _, err = operator.kanae("plan")
    assert code == CASES[name].exit_code
    assert "a host of the lab before, whose SSH settings are taken only for a cluster" in err
    assert "remedy: set name: before in the spec again" in err


def test_hosts_that_fail_in_different_ways_are_all_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path) as sshd:
        operator = Operator(sshd, Case(10, (), ssh=", key: {folder}/other"), capsys)
        operator.write(
            MASTER,
            "w1: {address: 192.0.2.2, roles: [worker], ssh: {port: 1}}",
        )
        code, _, err = operator.kanae("apply", "--yes")
    assert code == 10
    assert f"m1: root@127.0.0.1 port {sshd.port} refuses this user or key" in err
    assert "w1: cannot connect to root@127.0.0.1 port 1: connection refused" in err
    assert err.count("remedy: ") == 2


def test_check_tells_what_is_wrong_with_the_other_hosts_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path) as sshd:
        operator = Operator(sshd, Case(4, ()), capsys)
        operator.write(
            MASTER,
            "w1: {address: 192.0.2.2, roles: [worker], ssh: {port: 1}}",
        )
        code, out, _ = operator.kanae("check", "-o", "json")
    assert code == 4
    errors = {(f["check"], f["host"]) for f in json.loads(out) if f["severity"] == "error"}
    assert {("reachable", "w1"), ("address", "m1")} <= errors
