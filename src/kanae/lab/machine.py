"""Whether this machine can play hosts: rights, programs, kernel features; all problems at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kanae.errors import KanaeError, MachineUnfit
from kanae.lab import base
from kanae.lab.cgroups import Cgroups
from kanae.lab.programs import run, succeeds
from kanae.lab.record import labs_folder

# Program to the Debian package that has it.
PROGRAMS: Mapping[str, str] = {
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}
# Tried in a network namespace that ends with the trial: leaves no trace.
_NETWORK_TRIALS: Mapping[str, str] = {
    "veth links": "ip link add probe0 type veth peer name probe1",
    "bridges": "ip link add probe0 type bridge",
    "nftables for bridges": "nft add table bridge a && "
    "nft 'add chain bridge a c { type filter hook forward priority 0; }'",
}
# Several kubelets and all their containers share this machine's limits.
_INOTIFY: Mapping[str, int] = {"max_user_instances": 8192, "max_user_watches": 524288}


@dataclass(frozen=True, slots=True)
class Problem:
    """what: is missing; remedy: how to have it."""

    what: str
    remedy: str


def require_root() -> None:
    """Raise MachineUnfit for a user who cannot make hosts."""
    if problem := _root():
        raise MachineUnfit(problem.what, remedy=problem.remedy)


def require_fit(say: Callable[[str], None]) -> None:
    """Raise MachineUnfit with everything that is missing.

    As root on Debian, missing packages are installed first; `say` gets a line that tells so.
    """
    missing = missing_packages()
    if missing and not _root() and shutil.which("apt-get"):
        say(f"installing Debian packages that the lab needs: {' '.join(missing)}")
        _install(missing)
    if problems := find_problems():
        lines = "\n".join(f"  - {problem.what}" for problem in problems)
        remedies = dict.fromkeys(problem.remedy for problem in problems)
        raise MachineUnfit(f"this machine cannot play hosts:\n{lines}", remedy="; ".join(remedies))


def find_problems() -> tuple[Problem, ...]:
    """Everything that keeps this machine from playing hosts; empty when nothing does."""
    root = _root()
    found = [root] if root else []
    if missing := missing_packages():
        lacking = ", ".join(p for p, package in PROGRAMS.items() if package in missing)
        found.append(
            Problem(f"missing programs: {lacking}", f"apt-get install {' '.join(missing)}")
        )
    found += _kernel(trials=not root and not missing)
    if base.is_overlay(labs_folder()):
        what = f"{labs_folder()} is on overlayfs, which cannot hold the upper layer of another"
        found.append(Problem(what, "set XDG_STATE_HOME to a folder on a real file system"))
    return tuple(found)


def _root() -> Problem | None:
    if os.geteuid() == 0:
        return None
    return Problem("only root can make hosts and take them down", "run it with sudo")


def missing_packages() -> tuple[str, ...]:
    """Debian packages whose programs are not on PATH."""
    return tuple(
        sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
    )


def _install(packages: tuple[str, ...]) -> None:
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    try:
        # The lists of a fresh machine may be absent or too old for what the mirror still has.
        run(["apt-get", "update"], timeout=300)
        run(["env", "DEBIAN_FRONTEND=noninteractive", *install], timeout=900)
    except KanaeError as error:
        raise MachineUnfit(error.message, remedy=" ".join(install)) from error


def _kernel(*, trials: bool) -> list[Problem]:
    found: list[Problem] = []
    kernel = "use a kernel that has it"
    known = Path("/proc/filesystems")
    if "\toverlay\n" not in known.read_text() and shutil.which("modprobe"):
        succeeds(["modprobe", "overlay"])
    if "\toverlay\n" not in known.read_text():
        found.append(Problem("the kernel has no overlayfs", kernel))
    groups = Cgroups.here()
    if not groups.roots():
        found.append(Problem("no control groups are mounted", "mount cgroup2 at /sys/fs/cgroup"))
    found += [
        Problem(f"control groups at {root} are read-only", f"mount -o remount,rw {root}")
        for root in groups.roots()
        if not os.access(root, os.W_OK)
    ]
    if groups.roots() and not groups.has_freezer:
        found.append(Problem("no freezer control group is mounted", "mount the v1 freezer"))
    if trials:
        found += [
            Problem(f"the kernel lacks {feature}, or this user may not use it", kernel)
            for feature, trial in _NETWORK_TRIALS.items()
            if not succeeds(["unshare", "--net", "sh", "-ec", trial])
        ]
    return found


def raise_limits(say: Callable[[str], None]) -> None:
    """Raise the inotify limits of this machine to what several Kubernetes hosts need."""
    for name, wanted in _INOTIFY.items():
        path = Path("/proc/sys/fs/inotify") / name
        if int(path.read_text()) < wanted:
            say(f"setting fs.inotify.{name}={wanted} on this machine")
            path.write_text(str(wanted))
