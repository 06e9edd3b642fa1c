"""The hardware under a host's name: its disk, machine-id and SSH host key, made and exchanged."""

from __future__ import annotations

import uuid
from enum import StrEnum
from pathlib import Path

from kanae.errors import LabError
from kanae.lab import base, host, record
from kanae.lab.keys import SshFiles
from kanae.lab.programs import run
from kanae.lab.record import Hardware, HostRecord, LabRecord
from kanae.lab.release import RELEASES


class Choice(StrEnum):
    """What a host is to have. blank: hardware that was never on; old, new: the older or the newer
    of the two that it has had."""

    BLANK = "blank"
    OLD = "old"
    NEW = "new"


def install(folder: Path, current: LabRecord, of: HostRecord) -> None:
    """Make the disk of the hardware that a host has, as it is before the first boot.

    folder: the lab's, with the operator's key in it. A disk that is there is an error.
    """
    ssh = SshFiles(folder)
    key = ssh.host_key(of.name, of.disk)
    root = current.base(of)
    hashed = base.operator_password_hash(root, current.operator_password)
    settings = f"ADDRESS={of.address}/{current.subnet.prefixlen}\nGATEWAY={current.gateway}\n"
    host.install(
        host.disk(folder, of.name, of.disk),
        root,
        {
            RELEASES[of.image].locale: ("LANG=C.UTF-8\n", 0o644),
            "etc/hostname": (f"{of.name}\n", 0o644),
            "etc/hosts": (host.hosts_file(current), 0o644),
            "etc/kanae-lab/authorized_keys": (ssh.operator(), 0o644),
            "etc/kanae-lab/host": (settings, 0o644),
            "etc/machine-id": (f"{of.machine_id}\n", 0o444),
            "etc/resolv.conf": (f"nameserver {current.gateway}\n", 0o644),
            "etc/shadow": (base.shadow_with(root, "operator-pw", hashed), 0o640),
            "etc/ssh/ssh_host_ed25519_key": (key.private, 0o600),
            "etc/ssh/ssh_host_ed25519_key.pub": (key.public + "\n", 0o644),
        },
    )


def exchange(
    folder: Path, current: LabRecord, name: str, choice: Choice, *, off: bool
) -> LabRecord:
    """Give a host the hardware of a choice; what it has had is kept, and what was kept before that
    is removed. Call under the lab's lock; folder: the lab's.

    May be interrupted anywhere and repeated: the record says at one stroke what a host has, and a
    host that has what was chosen is left alone. Raises LabError for another host that is on.
    """
    of = current.host(name)
    if not _has(of, choice, off=off):
        if choice is not Choice.BLANK and of.aside is None:
            raise LabError(
                f"{name} has had no other disk", remedy=f"kanae lab power-on --blank {name}"
            )
        if not off:
            raise LabError(
                f"{name} is on, and would lose the disk it runs from",
                remedy=f"kanae lab power-cut {name}, or power-off",
            )
        other = of.aside
        if other is None or choice is Choice.BLANK:
            other = _blank(folder, current, of)
        of = of.having(other)
        current = current.with_host(of)
        record.write(folder, current)
    _remove_others(folder, of)
    return current


def _has(of: HostRecord, choice: Choice, *, off: bool) -> bool:
    if of.aside is None:
        return False
    match choice:
        case Choice.BLANK:
            # Never on until now, or on for the first time.
            return of.disk > of.aside.disk and of.starts == (0 if off else 1)
        case Choice.OLD:
            return of.disk < of.aside.disk
        case Choice.NEW:
            return of.disk > of.aside.disk


def _blank(folder: Path, current: LabRecord, of: HostRecord) -> Hardware:
    """New hardware for a host, with its disk, which no record names yet."""
    newest = max(of.disk, of.aside.disk if of.aside is not None else 0)
    made = Hardware(machine_id=uuid.uuid4().hex, disk=newest + 1)
    # Left by one who was interrupted.
    _delete(host.disk(folder, of.name, made.disk).folder)
    install(folder, current, of.having(made))
    return made


def _remove_others(folder: Path, of: HostRecord) -> None:
    """Disks of hardware that is neither the host's nor aside."""
    kept = {host.disk(folder, of.name, of.disk).folder}
    if of.aside is not None:
        kept.add(host.disk(folder, of.name, of.aside.disk).folder)
    first = host.disk(folder, of.name).folder
    for each in (first, *host.later_disks(folder, of.name).glob("*")):
        if each not in kept:
            _delete(each)


def _delete(folder: Path) -> None:
    run(["rm", "-rf", str(folder)], timeout=600)
