"""The control groups of a lab: one tree per host in every hierarchy of this machine.

nspawn roots each version 1 controller at its caller's group, so every host is started from a
group of its own in every hierarchy; otherwise all kubelets would share one `/kubepods`.
Paths below are relative to the hierarchies' roots, as in `kanae/<lab>/<host>`.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kanae.errors import LabError
from kanae.lab.processes import Process
from kanae.lab.waiting import wait_until

TOP = "kanae"
_REALTIME = "cpu.rt_runtime_us"
# Of a period of a second on each processor: a prober needs a quarter.
_REALTIME_MICROSECONDS = 400_000


@dataclass(frozen=True, slots=True)
class Cgroups:
    """v1: mount points of the version 1 hierarchies by their options (`cpu,cpuacct`).
    unified: mount point of version 2, if mounted (alone: v2; beside v1: hybrid).
    """

    v1: dict[str, Path]
    unified: Path | None

    @classmethod
    def parse(cls, mountinfo: str) -> Cgroups:
        """From the text of /proc/self/mountinfo (proc(5))."""
        v1: dict[str, Path] = {}
        unified: Path | None = None
        for line in mountinfo.splitlines():
            left, _, right = line.partition(" - ")
            kind, _, options = right.split(" ", 2)
            at = Path(left.split()[4].replace("\\040", " "))
            if kind == "cgroup2":
                unified = unified or at
            elif kind == "cgroup":
                names = [o for o in options.split(",") if o not in ("rw", "ro", "xattr")]
                names = [o for o in names if not o.startswith(("release_agent", "clone_"))]
                v1.setdefault(",".join(names), at)
        return cls(v1, unified)

    @classmethod
    def here(cls) -> Cgroups:
        return cls.parse(Path("/proc/self/mountinfo").read_text())

    @property
    def version(self) -> str:
        """`v1`, `hybrid`, `v2` or `none`."""
        if not self.v1:
            return "v2" if self.unified else "none"
        return "hybrid" if self.unified else "v1"

    def roots(self) -> tuple[Path, ...]:
        return (*self.v1.values(), *((self.unified,) if self.unified else ()))

    def paths(self, group: str) -> tuple[Path, ...]:
        """The group's folder in every hierarchy, whether it exists or not."""
        return tuple(root / group for root in self.roots())

    def create(self, group: str) -> tuple[Path, ...]:
        """Make the group in every hierarchy, usable for processes at once; safe to repeat."""
        for root in self.roots():
            at = root
            for part in Path(group).parts:
                if root == self.unified and not self.v1:
                    _delegate(at)
                at = at / part
                at.mkdir(exist_ok=True)
                # A new cpuset has no processors and takes no process until it is given some.
                for name in ("cpuset.cpus", "cpuset.mems"):
                    values = at / name
                    if root != self.unified and values.exists() and not values.read_text().strip():
                        values.write_text((at.parent / name).read_text())
        return self.paths(group)

    def members(self, group: str) -> frozenset[int]:
        """Pids in the group or below it, in any hierarchy."""
        pids: set[int] = set()
        for path in self.paths(group):
            for folder in _depth_first(path):
                with contextlib.suppress(OSError):
                    pids |= {int(pid) for pid in (folder / "cgroup.procs").read_text().split()}
        return frozenset(pids - {0})

    def freeze(self, group: str, *, seconds: float = 10) -> None:
        self._set_frozen(group, True, seconds)

    def thaw(self, group: str, *, seconds: float = 10) -> None:
        self._set_frozen(group, False, seconds)

    def frozen(self, group: str) -> bool:
        """Whether every process of the group stands still."""
        freezer = self._freezer()
        with contextlib.suppress(OSError):
            if freezer == self.unified:
                return "frozen 1" in (freezer / group / "cgroup.events").read_text()
            return (freezer / group / "freezer.state").read_text().strip() == "FROZEN"
        return False

    def weigh(self, group: str, share: float) -> None:
        """How much processor time the group gets beside others when there is too little: 1 for a
        host like any other.
        """
        if not self.v1 and self.unified is not None:
            _write(self.unified / group / "cpu.weight", str(max(1, round(100 * share))))
        for names, root in self.v1.items():
            if "cpu" in names.split(","):
                _write(root / group / "cpu.shares", str(max(2, round(1024 * share))))

    def allow_realtime(self, group: str) -> None:
        """Let processes of this group alone have real-time priority, where that can be.

        A group of the version 1 cpu hierarchy has no time for them at first
        (Documentation/scheduler/sched-rt-group.rst), and what a group has comes out of its
        parent's. Without it they run all the same, with less precedence.
        """
        for names, root in self.v1.items():
            if "cpu" not in names.split(","):
                continue
            way = [root / level for level in (*Path(group).parents[-2::-1], Path(group))]
            for folder in _depth_first(way[0]):
                if folder not in way:
                    _write(folder / _REALTIME, "0")
            for level in way:
                _write(level / _REALTIME, str(_REALTIME_MICROSECONDS))

    @property
    def has_freezer(self) -> bool:
        """Hybrid machines have a version 2 tree without the cgroup.freeze of their processes."""
        return not self.v1 or any("freezer" in names.split(",") for names in self.v1)

    def _freezer(self) -> Path:
        for names, root in self.v1.items():
            if "freezer" in names.split(","):
                return root
        if self.unified is None:
            raise LabError("no freezer control group is mounted", remedy="mount cgroup2")
        return self.unified

    def _set_frozen(self, group: str, frozen: bool, seconds: float) -> None:
        freezer = self._freezer()
        if not (freezer / group).is_dir():
            return
        if freezer == self.unified:
            (freezer / group / "cgroup.freeze").write_text("1" if frozen else "0")
        else:
            (freezer / group / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
        if not wait_until(lambda: self.frozen(group) == frozen, seconds=seconds):
            raise LabError(f"{group}: did not {'freeze' if frozen else 'thaw'} in {seconds:g} s")

    def kill(self, group: str, *, seconds: float = 60) -> None:
        """Kill every process of the group and wait until none is left.

        Being in the group is the proof that a process is the lab's: only the lab puts processes
        there, and no pid can be reused between the check and the signal (pidfd).
        """

        def sweep() -> bool:
            for pid in self.members(group):
                process = Process.of(pid)
                # Looked up again after its start time is known: that process is a member.
                if process and pid in self.members(group):
                    process.signal(signal.SIGKILL)
            # A frozen process takes the signal only when it runs again.
            self.thaw(group)
            return not self.members(group)

        if not wait_until(sweep, seconds=seconds):
            left = ", ".join(map(str, sorted(self.members(group))))
            raise LabError(f"{group}: processes {left} outlived SIGKILL by {seconds:g} s")

    def remove(self, group: str, *, seconds: float = 5) -> None:
        """Remove the group and all below it, depth first, in every hierarchy."""

        def gone() -> bool:
            left = False
            for path in self.paths(group):
                for folder in _depth_first(path):
                    try:
                        folder.rmdir()
                    except FileNotFoundError:
                        continue
                    except OSError:
                        left = True  # busy for as long as a process is exiting
            return not left

        if not wait_until(gone, seconds=seconds):
            raise LabError(f"control group {group} is still in use after {seconds:g} s")

    def remove_if_empty(self, group: str) -> None:
        """Remove the group where no other is in it."""
        for path in self.paths(group):
            with contextlib.suppress(OSError):
                path.rmdir()

    def children(self, group: str) -> frozenset[str]:
        """Names of the groups directly below, in any hierarchy."""
        return frozenset(
            child.name for path in self.paths(group) if path.is_dir() for child in _folders(path)
        )


def _delegate(at: Path) -> None:
    """Version 2: let the groups below `at` have every controller that it has itself."""
    have = (at / "cgroup.controllers").read_text().split()
    wanted = set(have) - set((at / "cgroup.subtree_control").read_text().split())
    for controller in sorted(wanted):
        # One by one: a controller that cannot be had (realtime cpu) must not cost the others.
        with contextlib.suppress(OSError):
            (at / "cgroup.subtree_control").write_text(f"+{controller}")


def _folders(path: Path) -> Iterator[Path]:
    with os.scandir(path) as entries:
        yield from (Path(e.path) for e in entries if e.is_dir(follow_symlinks=False))


def _depth_first(path: Path) -> Iterator[Path]:
    """Folders below and at `path`, the deepest first; nothing when it does not exist."""
    try:
        children = list(_folders(path))
    except OSError:
        return
    for child in children:
        yield from _depth_first(child)
    yield path


def _write(setting: Path, value: str) -> None:
    """Where there is such a setting and it may have the value."""
    if setting.exists():
        with contextlib.suppress(OSError):
            setting.write_text(value)
