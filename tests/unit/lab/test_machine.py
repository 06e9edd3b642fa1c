from __future__ import annotations

from pathlib import Path

import pytest

from kanae.errors import MachineUnfit
from kanae.lab import machine
from kanae.lab.cgroups import Cgroups


def only(monkeypatch: pytest.MonkeyPatch, have: set[str]) -> None:
    """Only these programs are on PATH."""

    def which(name: str) -> str | None:
        return f"/bin/{name}" if name in have else None

    monkeypatch.setattr("shutil.which", which)


@pytest.fixture(autouse=True)
def bare_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who is not root, on a machine without most of what the lab needs."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    only(monkeypatch, {"ip", "unshare", "nsenter", "ssh"})
    monkeypatch.setattr(Cgroups, "here", lambda: Cgroups({}, None))

    def is_overlay(folder: Path) -> bool:
        return True

    monkeypatch.setattr("kanae.lab.base.is_overlay", is_overlay)


def test_every_problem_is_named_at_once_with_its_remedy() -> None:
    with pytest.raises(MachineUnfit) as caught:
        machine.require_fit(lambda line: pytest.fail(f"nothing to say, but: {line}"))
    message = str(caught.value)
    assert "only root can make hosts" in message
    assert "missing programs: mmdebstrap, nft, systemd-nspawn" in message
    assert "no control groups" in message
    assert "overlayfs" in message
    assert "sudo" in caught.value.remedy
    assert "apt-get install mmdebstrap nftables systemd-container" in caught.value.remedy
    assert caught.value.exit_code == 8


def test_root_has_missing_packages_installed_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    ran: list[str] = []
    monkeypatch.setattr("os.geteuid", lambda: 0)
    have = {"ip", "unshare", "nsenter", "ssh", "nft", "mmdebstrap", "apt-get"}
    only(monkeypatch, have)

    def run(argv: list[str], **_: object) -> str:
        ran.append(" ".join(argv))
        have.add("systemd-nspawn")
        return ""

    monkeypatch.setattr(machine, "run", run)
    monkeypatch.setattr(machine, "find_problems", lambda: ())
    machine.require_fit(said.append)
    assert said == ["installing Debian packages that the lab needs: systemd-container"]
    assert ran[0] == "apt-get update"
    assert ran[1].endswith("--no-install-recommends systemd-container")


def test_failed_installation_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    only(monkeypatch, {"apt-get"})

    def run(argv: list[str], **_: object) -> str:
        raise MachineUnfit("no network")

    monkeypatch.setattr(machine, "run", run)
    with pytest.raises(MachineUnfit, match="no network") as caught:
        machine.require_fit(lambda _: None)
    assert caught.value.remedy.startswith("apt-get install --yes")


def test_only_root_may_go_on() -> None:
    with pytest.raises(MachineUnfit, match="only root"):
        machine.require_root()
