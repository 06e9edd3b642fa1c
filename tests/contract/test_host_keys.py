"""A host key that is unknown or has changed: accepted by its fingerprint, or in words, or not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract_sshd import Sshd, fingerprint, key, running

from kanae import paths
from kanae.cli import confirm, main
from kanae.errors import HostKeyChanged, HostKeyUnknown, OfferedKey, UsageError
from kanae.spec.models import Spec
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet, FleetError

OTHER = f"SHA256:{'A' * 43}"
CHANGED, UNKNOWN = "changed", "unknown"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture(params=[CHANGED, UNKNOWN])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sshd]:
    """One whose key is not the one in known_hosts, or is in none."""
    folder = tmp_path / "sshd"
    folder.mkdir()
    with running(folder) as sshd:
        key(folder / "former")
        former = (folder / "former.pub").read_text()
        known = f"[127.0.0.1]:{sshd.port} {former}" if request.param == CHANGED else ""
        (folder / "known_hosts").write_text(known)
        yield sshd


def _spec(sshd: Sshd, **ssh: object) -> Spec:
    return Spec.model_validate(
        {
            "name": "demo",
            "kubernetes": "1.37.2",
            "ssh": {
                "user": "root",
                "port": sshd.port,
                "key": str(sshd.folder / "id"),
                "knownHosts": str(sshd.folder / "known_hosts"),
                **ssh,
            },
            "hosts": {
                "m1": {"address": "127.0.0.1", "roles": ["control-plane"]},
                "w1": {"address": "127.0.0.2", "roles": ["worker"], "ssh": {"port": 1}},
            },
        }
    )


def _shown(sshd: Sshd) -> str:
    return fingerprint(sshd.folder / "host_key")


async def _told(spec: Spec, host_keys: HostKeys | None = None) -> str:
    async with Fleet(spec, ["m1"], host_keys=host_keys) as fleet:
        return (await fleet["m1"].run("echo there")).stdout.decode()


async def test_a_key_is_accepted_by_its_fingerprint_and_from_then_on_known(host: Sshd) -> None:
    theirs = (host.folder / "known_hosts").read_text()
    spec, said = _spec(host), list[str]()
    keys = HostKeys(frozenset({_shown(host)}), say=said.append)
    assert await _told(spec, keys) == "there\n"
    assert len(said) == 1
    assert said[0].startswith(f"m1: accepted the host key ssh-ed25519 {_shown(host)}")
    public = " ".join((host.folder / "host_key.pub").read_text().split()[:2])
    known = paths.known_hosts("demo").read_text()
    assert known == f"[127.0.0.1]:{host.port} {public}\n"
    assert await _told(spec) == "there\n"
    assert await _told(spec, keys) == "there\n"
    assert len(said) == 1
    assert (host.folder / "known_hosts").read_text() == theirs


async def test_what_was_accepted_is_checked_as_strictly(host: Sshd) -> None:
    spec = _spec(host)
    await _told(spec, HostKeys(frozenset({_shown(host)})))
    known = paths.known_hosts("demo")
    key(host.folder / "later")
    public = (host.folder / "later.pub").read_text()
    known.write_text(f"[127.0.0.1]:{host.port} {public}")
    with pytest.raises(FleetError) as caught:
        await _told(spec)
    error = caught.value.errors["m1"]
    assert isinstance(error, HostKeyChanged)
    assert error.offered is not None
    later = fingerprint(host.folder / "later")
    assert error.offered.known == (f"ssh-ed25519 {later} in {known} line 1",)


async def test_a_fingerprint_that_no_host_has_is_an_error_with_those_that_are_shown(
    host: Sshd,
) -> None:
    for accepted in ({OTHER}, {OTHER, _shown(host)}):
        with pytest.raises(UsageError) as caught:
            await _told(_spec(host), HostKeys(frozenset(accepted)))
        assert f"no host has the key {OTHER}; shown were: m1 {_shown(host)}" in str(caught.value)


async def test_hosts_that_show_no_key_are_told_with_it_or_first(host: Sshd) -> None:
    keys = HostKeys(frozenset({OTHER}))
    with pytest.raises(UsageError) as caught:
        async with Fleet(_spec(host), tolerant=True, host_keys=keys):
            pass
    assert f"shown were: m1 {_shown(host)}\nw1: cannot connect to " in str(caught.value)
    with pytest.raises(FleetError) as first:
        async with Fleet(_spec(host), host_keys=keys):
            pass
    assert set(first.value.errors) == {"m1", "w1"}


async def test_who_is_asked_sees_each_key_once_and_a_no_is_a_no(host: Sshd) -> None:
    asked: list[OfferedKey] = []

    def ask(offered: OfferedKey) -> bool:
        asked.append(offered)
        return len(asked) > 1

    with pytest.raises(FleetError) as caught:
        await _told(_spec(host), HostKeys(ask=ask))
    assert isinstance(caught.value.errors["m1"], HostKeyChanged | HostKeyUnknown)
    assert not paths.known_hosts("demo").exists()
    assert len(asked) == 1
    assert await _told(_spec(host), HostKeys(ask=ask)) == "there\n"
    assert len(asked) == 2
    assert asked[0].fingerprint == _shown(host)
    assert await _told(_spec(host), HostKeys(ask=ask)) == "there\n"
    assert len(asked) == 2


async def test_a_jump_host_and_the_host_behind_it_are_accepted_one_after_the_other(
    host: Sshd,
) -> None:
    config = host.folder / "ssh_config"
    config.write_text(
        f"Host *\n  IdentityFile {host.folder}/id\n  UserKnownHostsFile {host.folder}/known_hosts\n"
    )
    spec = _spec(host, config=str(config), jump=f"root@localhost:{host.port}")
    asked: list[str] = []

    def ask(offered: OfferedKey) -> bool:
        asked.append(offered.host)
        return True

    assert await _told(spec, HostKeys(ask=ask)) == "there\n"
    assert asked == ["jump host localhost", "m1"]
    names = [line.split()[0] for line in paths.known_hosts("demo").read_text().splitlines()]
    assert names == [f"[localhost]:{host.port}", f"[127.0.0.1]:{host.port}"]


# -- on the command line -----------------------------------------------------------------------


@pytest.fixture
def spec_file(host: Sshd, tmp_path: Path) -> Path:
    file = tmp_path / "cluster.yaml"
    config = host.folder / "ssh_config"
    config.write_text(
        f"Host m1\n  HostName 127.0.0.1\n  Port {host.port}\n  User root\n"
        f"  IdentityFile {host.folder}/id\n  UserKnownHostsFile {host.folder}/known_hosts\n"
    )
    file.write_text(
        f"name: demo\nkubernetes: v1.37.2\nssh: {{config: {config}}}\n"
        "hosts:\n  m1: {address: 192.0.2.1, roles: [control-plane, worker]}\n"
    )
    return file


def _kanae(*words: str) -> int:
    try:
        main(words)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize("verb", ["plan", "check", "status", "apply", "reset"])
def test_every_verb_takes_the_fingerprint(
    verb: str, host: Sshd, spec_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _kanae(verb, str(spec_file), "--accept-host-key", OTHER) == 2
    assert f"shown were: m1 {_shown(host)}" in capsys.readouterr().err
    assert not paths.known_hosts("demo").exists()


def test_what_is_no_fingerprint_is_said_before_a_host_is_asked(
    spec_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _kanae("plan", str(spec_file), "--accept-host-key", "ab:cd") == 2
    assert "'ab:cd' is no fingerprint" in capsys.readouterr().err


def test_only_the_word_yes_accepts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offered = OfferedKey(
        "m1", "root@10.0.0.1 port 22", "10.0.0.1", "ssh-ed25519 AAAA", OTHER, ("old in file",)
    )
    typed: list[str] = []

    def prompt(question: str, **options: object) -> str:
        return typed[-1]

    monkeypatch.setattr(confirm.click, "prompt", prompt)
    for answer, accepted in {"yes": True, "y": False, "": False, "no": False, "YES": False}.items():
        typed.append(answer)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        assert confirm.host_key_accepted(offered) is accepted
        shown = capsys.readouterr().err
        assert f"m1: root@10.0.0.1 port 22 shows the host key\n  ssh-ed25519 {OTHER}\n" in shown
        assert "old in file" in shown
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert confirm.host_key_accepted(offered) is False


def test_apply_asks_on_a_terminal_also_with_yes_and_verbs_that_look_do_not(
    host: Sshd, spec_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def prompt(question: str, **options: object) -> str:
        asked.append(question)
        return "no"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(confirm.click, "prompt", prompt)
    for verb in ("plan", "check", "status"):
        _kanae(verb, str(spec_file))
    assert not asked
    assert _kanae("apply", str(spec_file), "--yes") in (12, 13)
    assert len(asked) == 1
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert _kanae("apply", str(spec_file), "--yes") in (12, 13)
    assert len(asked) == 1
