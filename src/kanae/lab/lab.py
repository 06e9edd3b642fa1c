"""A lab: the hosts of one spec on one switch; coming up, going down, and what is there now.

Everything is synchronous; hosts are worked on in parallel by threads. From asyncio call it with
`asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

from kanae.errors import LabError
from kanae.lab import base, desired, hardware, host, machine, network, record
from kanae.lab.cgroups import TOP, Cgroups
from kanae.lab.keys import SshFiles
from kanae.lab.locks import held
from kanae.lab.programs import run
from kanae.lab.record import HostRecord, LabRecord, Phase, boot_id
from kanae.lab.release import Image
from kanae.lab.waiting import wait_until
from kanae.paths import guest_config, lab_dir

if TYPE_CHECKING:
    from kanae.spec.models import Spec

BOOT_SECONDS = 90.0
_SSH = 22
# Locks of what labs share; no lab's name has a dot.
_CGROUPS = ".cgroups"
_NETWORKS = ".networks"


class HostState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class HostStatus:
    """leader: pid of the host's PID 1 on this machine, None when it is off."""

    lab: str
    name: str
    address: IPv4Address
    image: Image
    state: HostState
    leader: int | None


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that is up. record: as it was when the lab was opened; see `refresh`."""

    folder: Path
    record: LabRecord

    @classmethod
    def open(cls, name: str) -> Lab:
        """Raises LabError when there is no such lab or it is only half there."""
        folder = lab_dir(name)
        found = record.read(folder)
        if found is None:
            known = ", ".join(record.recorded()) or "none"
            raise LabError(f"there is no lab {name} (labs: {known})", remedy="kanae lab up SPEC")
        if found.phase is not Phase.UP:
            raise LabError(
                f"lab {name} is half-made (its {found.phase} did not end)",
                remedy=f"kanae lab down {name}",
            )
        return cls(folder, found)

    def refresh(self) -> Lab:
        return Lab.open(self.record.name)

    @property
    def ssh(self) -> SshFiles:
        return SshFiles(self.folder)

    def disk(self, name: str) -> host.Disk:
        return host.disk(self.folder, name, self.record.host(name).disk)

    def group(self, name: str) -> str:
        return host.group(self.record.name, name)

    def status(self) -> tuple[HostStatus, ...]:
        """Every host as it is now, in the order of the spec."""
        groups = Cgroups.here()
        return tuple(self._status(h, groups) for h in self.record.hosts)

    def _status(self, of: HostRecord, groups: Cgroups) -> HostStatus:
        on = self.record.boot == boot_id() and host.powered(of)
        leader = host.leader(of) if on else None
        if not on:
            state = HostState.OFF
        elif groups.frozen(self.group(of.name)):
            state = HostState.PAUSED
        else:
            state = HostState.RUNNING
        pid = leader.pid if leader else None
        return HostStatus(self.record.name, of.name, of.address, of.image, state, pid)

    def start(self, names: Sequence[str]) -> Lab:
        """Power hosts on, in parallel, and wait until their sshd answers. Call under the lock."""
        groups = Cgroups.here()
        current = self.record
        for name in names:
            of = current.host(name)
            with locked(_CGROUPS):
                groups.create(self.group(name))
            current = current.with_supervisor(
                name, host.start(current, of, self.disk(name), groups)
            )
            record.write(self.folder, current)
        return Lab(self.folder, current)

    def wait_for_ssh(self, names: Sequence[str]) -> None:
        """Wait until sshd answers on each host; LabError with the console's end otherwise."""
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            list(pool.map(self._wait_for_ssh, names))

    def _wait_for_ssh(self, name: str) -> None:
        of = self.record.host(name)

        def settled() -> bool:
            return not host.powered(of) or greets(of.address)

        if not wait_until(settled, seconds=BOOT_SECONDS, every=0.05) or not greets(of.address):
            raise LabError(
                f"{name}: no sshd on {of.address} within {BOOT_SECONDS:g} s; its console ends:\n"
                + host.console_end(self.disk(name)),
                remedy=f"see {self.disk(name).console}, then `kanae lab down {self.record.name}`",
            )


def greets(address: IPv4Address) -> bool:
    """Whether an SSH server says its version line there."""
    try:
        with socket.create_connection((str(address), _SSH), timeout=1) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def locked(
    name: str, say: Callable[[str], None] | None = None, *, wait: bool = True
) -> AbstractContextManager[None]:
    """Hold a lab's name on this machine, as locks.held does."""
    return held(record.RUN / f"{name}.lock", f"works on lab {name}", say, wait=wait)


def up(
    spec: Spec,
    say: Callable[[str], None],
    guests: Sequence[Spec] = (),
    images: Mapping[str, Image] | None = None,
) -> Lab:
    """Bring up the hosts of a spec; those that run already are left alone.

    guests: specs of other clusters that share hosts with the first (a balancer host, say). Their
    hosts become this lab's, and each finds its way to them as if it had a lab of its own.
    images: of the hosts for which it matters; a host that there is keeps its own.

    A half-made lab is removed first; a lab that is up gets the hosts that the spec has in
    addition, and hosts that are off are powered on with the disks they have.
    """
    name = spec.name
    machine.require_fit(say)
    machine.raise_limits(say)
    with locked(name, say):
        folder = lab_dir(name)
        _refuse_other(name, folder)
        current = record.read(folder)
        if current is not None and current.phase is not Phase.UP:
            say(f"lab {name}: removing what an interrupted {current.phase} left")
            _remove(name, folder)
            current = None
        elif current is None and folder.is_dir():
            say(f"lab {name}: removing what is left in {folder}")
            _remove(name, folder)
        specs = [spec, *guests]
        chosen = desired.images(specs, current, images or {})
        bases = {image: base.ensure(image, say) for image in sorted(set(chosen.values()))}
        current = desired.record(specs, current, chosen, bases)
        _claim(name, folder)
        record.write(folder, current)
        _prepare(Lab(folder, current))
        _admit(current, folder)
        lab = Lab(folder, current)
        off = [s.name for s in lab.status() if s.state is HostState.OFF]
        if off:
            say(f"lab {name}: starting {', '.join(off)}")
        lab = lab.start(off)
        lab.wait_for_ssh(off)
        lab = Lab(folder, lab.record.with_phase(Phase.UP))
        record.write(folder, lab.record)
    return lab


def _refuse_other(name: str, folder: Path) -> None:
    """Raise LabError when the name is that of a lab whose state is in another folder."""
    other = _folder_of(name)
    if other != folder and record.record_path(other).exists():
        raise LabError(
            f"another lab {name} is on this machine; its state is in {other}",
            remedy="give the cluster in the spec another name, or take that lab down",
        )


def _claim(name: str, folder: Path) -> None:
    """Tie the name, which is this machine's, to the folder, which is the user's."""
    pointer = record.RUN / name
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(folder)


def _admit(current: LabRecord, folder: Path) -> None:
    """Let guests' commands find the lab's ssh_config where they look for one of their own."""
    for guest in current.guests:
        link = guest_config(guest)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(SshFiles(folder).config)


def _prepare(lab: Lab) -> None:
    """Everything but the running hosts: SSH files, switch, disks."""
    current = lab.record
    lab.ssh.write(current)
    if not current.network.exists:
        with locked(_NETWORKS):
            network.refuse_overlap(current.network, network.routes())
            current.network.create()
    lab.ssh.operator()  # made once, before each disk takes it

    def prepare(of: HostRecord) -> None:
        disk = lab.disk(of.name)
        if disk.folder.is_dir():
            # Hosts may have come since it was made.
            host.etc(of, disk).joinpath("hosts").write_text(host.hosts_file(current))
        else:
            hardware.install(lab.folder, current, of)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(prepare, current.hosts))


def down(name: str, say: Callable[[str], None]) -> None:
    """Remove a lab, its disks included. Safe to repeat, and on a half-made or half-gone one."""
    with locked(name, say):
        _remove(name, _folder_of(name))


def _folder_of(name: str) -> Path:
    pointer = record.RUN / name
    return pointer.readlink() if pointer.is_symlink() else lab_dir(name)


def _remove(name: str, folder: Path) -> None:
    """By record where there is one, and by name in any case."""
    try:
        current = record.read(folder)
    except LabError:
        current = None  # broken: what it names carries the lab's name as well
    if current is not None:
        record.write(folder, current.with_phase(Phase.REMOVING))
    groups = Cgroups.here()
    top = host.lab_group(name)
    known = {h.name: h for h in current.hosts} if current and current.boot == boot_id() else {}

    def kill(child: str) -> None:
        # Each container's overlay syncs this machine's disk when it goes away. What is to be
        # deleted anyhow need not be written before, so it is deleted under the standing host.
        with contextlib.suppress(LabError):
            groups.freeze(f"{top}/{child}")
            number = known[child].disk if child in known else 0
            _delete(host.disk(folder, child, number).folder)
        if child in known:
            host.kill(known[child], groups, f"{top}/{child}")
        else:
            groups.kill(f"{top}/{child}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(kill, groups.children(top)))
    with locked(_CGROUPS):
        groups.remove(top)
        groups.remove_if_empty(TOP)
    network.remove(name)
    for guest in current.guests if current is not None else ():
        link = guest_config(guest)
        if link.is_symlink() and link.readlink() == SshFiles(folder).config:
            link.unlink()
    _delete(folder)
    (record.RUN / name).unlink(missing_ok=True)


def _delete(folder: Path) -> None:
    # rm is several times faster than shutil.rmtree on a disk full of container layers.
    run(["rm", "-rf", str(folder)], timeout=600)


def clean(say: Callable[[str], None]) -> tuple[str, ...]:
    """Remove what is left of labs that are half-made or have lost their record.

    Labs that are up, and labs that another kanae works on at this moment, are left alone.
    Returns the names of what was removed.
    """
    removed: list[str] = []
    pointers = {p.name for p in record.RUN.glob("*") if p.is_symlink()}
    names = pointers | network.labs_with_links() | Cgroups.here().children(TOP)
    for name in sorted(names | set(record.recorded())):
        with contextlib.suppress(BlockingIOError), locked(name, wait=False):
            folder = _folder_of(name)
            try:
                found = record.read(folder)
            except LabError:
                found = None
            if found is None or found.phase is not Phase.UP:
                say(f"removing what is left of lab {name}")
                _remove(name, folder)
                removed.append(name)
    return tuple(removed)
