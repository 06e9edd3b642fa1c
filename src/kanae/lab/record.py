"""What a lab is made of, on disk before it is made, so that nothing of it is ever lost."""

from __future__ import annotations

import os
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from kanae.errors import LabError
from kanae.lab.network import Network, lab_key
from kanae.lab.processes import Process
from kanae.lab.release import Image
from kanae.paths import state_dir

RUN = Path("/run/kanae/labs")


class Phase(StrEnum):
    CREATING = "creating"
    UP = "up"
    REMOVING = "removing"


class Supervisor(BaseModel):
    """The nspawn process that looks after a host; start: clock ticks since boot."""

    model_config = ConfigDict(frozen=True)
    pid: int
    start: int

    def process(self) -> Process:
        return Process(self.pid, self.start)


class Hardware(BaseModel):
    """What stands under a host's name. machine_id: 32 hex digits; disk: number of its disk and of
    its SSH host key, 0 for those that the lab was made with; starts: how often it was powered on.
    """

    model_config = ConfigDict(frozen=True)
    machine_id: str
    disk: int = 0
    starts: int = 0


class HostRecord(Hardware):
    """The host with the hardware that it has now. index: stands for the host in names of 15 bytes;
    aside: the hardware that it had before, or would have again.

    A record from before hosts had images tells of bookworm.
    """

    name: str
    address: IPv4Address
    index: int
    image: Image = Image.BOOKWORM
    supervisor: Supervisor | None = None
    aside: Hardware | None = None

    def having(self, hardware: Hardware) -> HostRecord:
        """The host with this hardware, and what it has now aside."""
        aside = Hardware(machine_id=self.machine_id, disk=self.disk, starts=self.starts)
        return self.model_copy(update={**dict(hardware), "aside": aside})


class LabRecord(BaseModel):
    """boot: the machine's boot id, without which pids mean nothing; bases: the lower layer of the
    disks of each image's hosts.

    guests: other clusters whose specs name hosts of this lab too.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    phase: Phase
    boot: str
    subnet: IPv4Network
    gateway: IPv4Address
    bases: dict[Image, Path]
    operator_password: str
    hosts: tuple[HostRecord, ...]
    guests: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _with_one_base(cls, data: Any) -> Any:
        """Read a record from before hosts had images, which names the base of all of them."""
        match data:
            case {"base": base}:
                return {**data, "bases": {Image.BOOKWORM: base}}
            case _:
                return data

    @property
    def network(self) -> Network:
        return Network(self.name, self.subnet, self.gateway)

    def host(self, name: str) -> HostRecord:
        for host in self.hosts:
            if host.name == name:
                return host
        names = ", ".join(host.name for host in self.hosts)
        raise LabError(f"lab {self.name} has no host {name}", remedy=f"its hosts: {names}")

    def base(self, host: HostRecord) -> Path:
        """The lower layer of the host's disk."""
        return self.bases[host.image]

    def machine(self, host: HostRecord) -> str:
        """nspawn's name for the host; its switch port is this after `vb-`, 15 bytes at most."""
        return f"kn{lab_key(self.name)[:6]}{host.index:03x}"

    def port(self, host: HostRecord) -> str:
        return f"vb-{self.machine(host)}"

    def with_supervisor(self, name: str, process: Process | None) -> LabRecord:
        """Powered on once more, or off."""
        host = self.host(name)
        supervisor = Supervisor(pid=process.pid, start=process.start) if process else None
        starts = host.starts + (process is not None)
        return self.with_host(host.model_copy(update={"supervisor": supervisor, "starts": starts}))

    def with_host(self, changed: HostRecord) -> LabRecord:
        """In place of the one of this name."""
        hosts = [changed if host.name == changed.name else host for host in self.hosts]
        return self.model_copy(update={"hosts": tuple(hosts)})

    def with_phase(self, phase: Phase) -> LabRecord:
        return self.model_copy(update={"phase": phase})


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def record_path(folder: Path) -> Path:
    return folder / "record.json"


def read(folder: Path) -> LabRecord | None:
    """The record in a lab's folder; None when there is none. Raises LabError on a broken one."""
    path = record_path(folder)
    try:
        return LabRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise LabError(
            f"{path} is not a lab's record: {error.errors()[0]['msg']}",
            remedy=f"`kanae lab down {folder.name}` removes the lab by name all the same",
        ) from error


def write(folder: Path, record: LabRecord) -> None:
    """Atomic; for its owner alone, since it holds the operator's password of the hosts."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = record_path(folder)
    partial = path.with_suffix(".partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
        file.write(record.model_dump_json(indent=2) + "\n")
    partial.rename(path)


def labs_folder() -> Path:
    return state_dir() / "labs"


def recorded() -> list[str]:
    """Names of the labs that have a folder in the user's state."""
    folder = labs_folder()
    return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
