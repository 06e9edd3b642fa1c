"""One host: its disk, its start under systemd-nspawn, and how it is found again.

Every mount of a host is made in a mount namespace of its own, which ends with it: nothing of a
host is ever mounted where this machine's other programs see it, and none is left behind.
"""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from kanae.errors import LabError
from kanae.lab import base
from kanae.lab.cgroups import TOP, Cgroups
from kanae.lab.network import BRIDGE
from kanae.lab.processes import Process
from kanae.lab.programs import run
from kanae.lab.record import HostRecord, LabRecord
from kanae.lab.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Disk:
    """A host's disk: `upper` over the base, and `var` for /var.

    /var is a plain folder because containerd's overlay snapshotter cannot stack on overlayfs;
    etcd's data, kubelet's volumes and logs profit too.
    """

    folder: Path

    @property
    def upper(self) -> Path:
        return self.folder / "upper"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def root(self) -> Path:
        """Where the overlay is mounted in the host's own mount namespace; empty elsewhere."""
        return self.folder / "root"

    @property
    def var(self) -> Path:
        return self.folder / "var"

    @property
    def console(self) -> Path:
        return self.folder / "console.log"


def disk(folder: Path, host: str, number: int = 0) -> Disk:
    """folder: the lab's. number: as in the host's record."""
    return Disk(later_disks(folder, host) / str(number) if number else folder / "hosts" / host)


def later_disks(folder: Path, host: str) -> Path:
    """Where the disks are that a host got after its first."""
    return folder / "hardware" / host


def install(disk: Disk, base_root: Path, content: dict[str, tuple[str, int]]) -> None:
    """Make a disk with this content (path below the root: text, mode) over the base.

    A disk appears whole or not at all; one that is there must not be installed again.
    """
    partial = Disk(disk.folder.with_name(f"{disk.folder.name}.partial"))
    if partial.folder.exists():
        shutil.rmtree(partial.folder)
    for path in (partial.folder, partial.upper, partial.work, partial.root):
        path.mkdir(parents=True)
        path.chmod(0o755)
    run(["cp", "--archive", "--reflink=auto", str(base_root / "var"), str(partial.var)])
    for path, (text, mode) in content.items():
        base.write(partial.upper / path, text, mode)
    partial.folder.rename(disk.folder)


def hosts_file(record: LabRecord) -> str:
    """/etc/hosts: bare metal would have DNS for the hosts' names."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    return "\n".join([*lines, *(f"{h.address} {h.name}" for h in record.hosts)]) + "\n"


def etc(host: HostRecord, disk: Disk) -> Path:
    """The host's /etc as seen from here, running or not."""
    first = leader(host)
    return Path(f"/proc/{first.pid}/root/etc") if first else disk.upper / "etc"


def group(lab: str, host: str) -> str:
    """The host's control group, relative to the hierarchies' roots."""
    return f"{lab_group(lab)}/{host}"


def lab_group(lab: str) -> str:
    """The control group that holds all of a lab's."""
    return f"{TOP}/{lab}"


def start(record: LabRecord, host: HostRecord, disk: Disk, groups: Cgroups) -> Process:
    """Power on: a shell that runs nspawn, again at each reboot, and ends when the host is off.

    The host's control groups must exist. The host itself needs about a second more to boot.
    """
    arguments = [
        "--quiet",
        f"--directory={disk.root}",
        "--boot",
        f"--machine={record.machine(host)}",
        f"--hostname={host.name}",
        f"--uuid={host.machine_id}",
        f"--network-bridge={BRIDGE}",
        "--register=no",
        "--keep-unit",
        "--capability=all",
        "--system-call-filter=@keyring bpf perf_event_open",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=read-only",
        f"--bind={disk.var}:/var",
        "--bind=/dev/kmsg",
        *(["--bind-ro=/lib/modules"] if Path("/lib/modules").is_dir() else []),
        *_dmi(host, disk),
    ]
    # volatile: no sync of this machine's disk when the overlay goes away. Its marker would
    # forbid the next mount, for the case that the machine itself crashed in between.
    shutil.rmtree(disk.work / "work" / "incompat", ignore_errors=True)
    overlay = f"volatile,lowerdir={record.base(host)},upperdir={disk.upper},workdir={disk.work}"
    own = group(record.name, host.name)
    # Nothing of the operator's own environment, which may hold secrets, lives on in a host.
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "V1_GROUPS": " ".join(str(root / own) for root in groups.v1.values()),
        "UNIFIED_GROUP": str(groups.unified / own) if groups.unified else "",
        "NETNS": str(record.network.netns_path),
        "OVERLAY": overlay,
        "ROOT": str(disk.root),
        "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1",
    }
    script = (files("kanae.lab") / "launch.sh").read_text()
    launch = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "kanae-lab"]
    console = os.open(disk.console, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        pid = os.posix_spawnp(
            launch[0],
            [*launch, *arguments],
            environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing, 0),
                (os.POSIX_SPAWN_DUP2, console, 1),
                (os.POSIX_SPAWN_DUP2, console, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(console)
        os.close(nothing)
    process = Process.of(pid)
    if process is None:
        raise LabError(f"{host.name}: did not start\n{console_end(disk)}")
    return process


def _dmi(host: HostRecord, disk: Disk) -> list[str]:
    """A product_uuid of the host's own where this machine has one to show (kubeadm wants it)."""
    shown = Path("/sys/class/dmi/id/product_uuid")
    if not shown.exists():
        return []
    own = disk.folder / "product_uuid"
    base.write(own, host.machine_id + "\n", 0o444)
    return [f"--bind-ro={own}:{shown.resolve()}"]


def powered(host: HostRecord) -> bool:
    """Whether the host is on, be it in the middle of a reboot."""
    return host.supervisor is not None and host.supervisor.process().alive


def leader(host: HostRecord) -> Process | None:
    """The host's PID 1 as seen from here; None when it is off or between two boots."""
    if host.supervisor is None:
        return None
    for nspawn in host.supervisor.process().children():
        for child in nspawn.children():
            if child.is_init:
                return child
    return None


def kill(host: HostRecord, groups: Cgroups, group: str) -> None:
    """End every process of the host at once, without a word to any of them."""
    if first := leader(host):
        first.signal(signal.SIGKILL)
        groups.thaw(group)  # a frozen process dies only when it runs again
        # All of the host dies with its PID 1; nspawn then tidies up and ends of itself. Each
        # container's overlay takes a sync of this machine's disk with it, hence the patience.
        wait_until(lambda: not powered(host), seconds=10)
    groups.kill(group)


def console_end(disk: Disk, lines: int = 15) -> str:
    """The last lines that the host's console showed."""
    try:
        text = disk.console.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-lines:])
