"""What a host has after each choice, also where one was interrupted. Disks are plain folders."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from kanae.errors import LabError
from kanae.lab import hardware, host, record
from kanae.lab.hardware import Choice
from kanae.lab.keys import SshFiles
from kanae.lab.processes import Process
from kanae.lab.record import HostRecord, LabRecord, Phase
from kanae.lab.release import Image


class Machine:
    """One host of a lab. folder: the lab's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        solo = HostRecord(
            name="h1", address=IPv4Address("10.77.1.10"), index=0, machine_id="0" * 32
        )
        self.record = LabRecord(
            name="one",
            phase=Phase.UP,
            boot="b",
            subnet=IPv4Network("10.77.1.0/24"),
            gateway=IPv4Address("10.77.1.1"),
            bases={Image.BOOKWORM: folder / "base"},
            operator_password="p",
            hosts=(solo,),
        )
        record.write(folder, self.record)
        self.make(folder, self.record, solo)
        SshFiles(folder).write(self.record)
        self.start()

    def make(self, folder: Path, current: LabRecord, of: HostRecord) -> None:
        """In place of hardware.install."""
        host.disk(folder, of.name, of.disk).folder.mkdir(parents=True)
        SshFiles(folder).host_key(of.name, of.disk)

    @property
    def host(self) -> HostRecord:
        found = record.read(self.folder)
        assert found is not None
        return found.host("h1")

    def start(self) -> None:
        self.record = self.record.with_supervisor("h1", Process(7, 8))
        record.write(self.folder, self.record)

    def choose(self, choice: Choice, *, off: bool = True) -> None:
        found = record.read(self.folder)
        assert found is not None
        self.record = hardware.exchange(self.folder, found, "h1", choice, off=off)

    def disks(self) -> set[int]:
        return {n for n in range(9) if host.disk(self.folder, "h1", n).folder.is_dir()}


@pytest.fixture
def solo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(hardware, "install", made.make)
    return made


def test_blank_hardware_is_new_and_what_there_was_is_kept(solo: Machine) -> None:
    before = solo.host
    solo.choose(Choice.BLANK)
    assert solo.host.machine_id != before.machine_id
    assert (solo.host.disk, solo.host.starts) == (1, 0)
    assert solo.host.aside is not None
    assert (solo.host.aside.machine_id, solo.host.aside.disk) == (before.machine_id, 0)
    assert solo.disks() == {0, 1}


def test_what_was_chosen_may_be_chosen_again(solo: Machine) -> None:
    solo.choose(Choice.BLANK)
    blank = solo.host
    solo.choose(Choice.BLANK)
    assert solo.host == blank
    solo.start()
    solo.choose(Choice.BLANK, off=False)
    assert solo.host.machine_id == blank.machine_id
    for choice, disk in ((Choice.OLD, 0), (Choice.NEW, 1)):
        for _ in range(2):
            solo.choose(choice)
            assert solo.host.disk == disk
        solo.choose(choice, off=False)
    assert solo.disks() == {0, 1}


def test_blank_again_after_it_was_used_is_another_and_only_one_is_kept(solo: Machine) -> None:
    solo.choose(Choice.BLANK)
    solo.start()
    first = solo.host
    solo.choose(Choice.BLANK)
    assert solo.host.machine_id != first.machine_id
    assert solo.disks() == {1, 2}
    solo.start()
    solo.choose(Choice.OLD)
    assert (solo.host.machine_id, solo.host.starts) == (first.machine_id, 1)
    solo.choose(Choice.BLANK)
    assert solo.disks() == {1, 3}


@pytest.mark.parametrize("choice", Choice)
def test_a_host_that_is_on_keeps_what_it_runs_from(solo: Machine, choice: Choice) -> None:
    before = solo.host
    with pytest.raises(LabError, match=r"is on|had no other"):
        solo.choose(choice, off=False)
    assert solo.host == before
    solo.choose(Choice.BLANK)
    solo.start()
    solo.choose(Choice.OLD)
    with pytest.raises(LabError, match="is on"):
        solo.choose(Choice.BLANK, off=False)
    with pytest.raises(LabError, match="is on"):
        solo.choose(Choice.NEW, off=False)


@pytest.mark.parametrize("choice", [Choice.OLD, Choice.NEW])
def test_without_blank_there_is_nothing_to_exchange(solo: Machine, choice: Choice) -> None:
    with pytest.raises(LabError, match="had no other disk"):
        solo.choose(choice)


def test_an_interruption_at_any_point_is_made_good_by_repeating(
    solo: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    solo.choose(Choice.BLANK)
    solo.start()
    used = solo.host

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    def half_made(folder: Path, current: LabRecord, of: HostRecord) -> None:
        solo.make(folder, current, of)
        raise KeyboardInterrupt

    for module, name, broken in (
        (hardware, "install", half_made),
        (record, "write", interrupted),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, broken)
            with pytest.raises(KeyboardInterrupt):
                solo.choose(Choice.BLANK)
        assert solo.host == used
        assert solo.disks() == {0, 1, 2}
    with monkeypatch.context() as patch:
        patch.setattr(hardware, "_remove_others", interrupted)
        with pytest.raises(KeyboardInterrupt):
            solo.choose(Choice.BLANK)
    assert solo.disks() == {0, 1, 2}
    solo.choose(Choice.BLANK)
    assert solo.host.disk == 2
    assert solo.host.aside is not None
    assert solo.host.aside.machine_id == used.machine_id
    assert solo.disks() == {1, 2}


def test_known_hosts_has_the_first_key_and_the_labs_own_shell_the_key_of_now(
    solo: Machine,
) -> None:
    ssh = SshFiles(solo.folder)
    assert "-o" not in ssh.shell(solo.host)
    solo.choose(Choice.BLANK)
    ssh.write(solo.record)
    first, now = (ssh.host_key("h1", number).public for number in (0, 1))
    assert first != now
    assert ssh.known_hosts.read_text() == f"h1,10.77.1.10 {first}\n"
    known = ssh.shell(solo.host)[-1].removeprefix('UserKnownHostsFile="').rstrip('"')
    assert Path(known).read_text() == f"h1,10.77.1.10 {now}\n"


def test_a_record_from_before_there_was_a_choice_is_read(solo: Machine) -> None:
    old = solo.host.model_dump(mode="json", exclude={"disk", "starts", "aside"})
    found = HostRecord.model_validate(old)
    assert (found.disk, found.aside, found.machine_id) == (0, None, "0" * 32)
