"""A simulated host made into a folder, on which a real shell runs the real scripts.

Scripts' absolute paths are replaced by ones below the folder. The programs they call are those of
`programs/`, which act upon the folder, and some of this machine's that only touch files.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from kanae.layout import paths as at
from kanae.layout import ports, units
from kanae.transport.protocol import Completed, Transport, Upload

from .machine import SimHost
from .world import Object, World

PROGRAMS: Final = Path(__file__).with_name("programs")
# Of this machine: each does to a folder what it does to a host.
TOOLS: Final = (
    *("awk", "cat", "chmod", "cp", "cut", "date", "echo", "env", "flock", "grep", "head", "ln"),
    *("find", "ls", "mkdir", "mv", "printf", "readlink", "rm", "rmdir", "sed", "setsid", "sh"),
    *("sha256sum", "sort", "stat", "sync", "tail", "timeout", "touch", "tr"),
)
_ABSOLUTE: Final = re.compile(r"(?<![\w/.:$}-])/(?=[a-z]+/)")
_OF_THE_KERNEL: Final = re.compile(r"/(dev/null)\b")
# Of the API and of cgroups, in a container's configuration, and patterns of awk.
_NO_PATHS: Final = {"/readyz", "/kubepods", "/netns/cni-", "/name", "/KUBE-", "/CNI-/"}
# Packages that start a service, see programs/apt-get.
SERVICES: Final = ("haproxy", "nginx", "keepalived")
# Locks and logs are nobody's state; packages are told of by their names.
_NO_STATE: Final = (at.KUBEADM_LOCK, f"{at.LOGS}/", "/lib/")


@dataclass(frozen=True, slots=True)
class State:
    """What there is of a host, in terms that a simulated and a real one share.

    units: name -> what it is of "enabled" and "active". log: starts, restarts, reloads and stops.
    """

    files: Mapping[str, str]
    folders: frozenset[str]
    links: Mapping[str, str]
    units: Mapping[str, tuple[str, ...]]
    pods: Mapping[str, str]
    images: frozenset[str]
    packages: frozenset[str]
    sysctls: Mapping[str, str]
    log: tuple[str, ...]

    @classmethod
    def simulated(cls, host: SimHost) -> State:
        units = {
            name: tuple(what for what in ("active", "enabled") if getattr(unit, what))
            for name, unit in host.units.items()
        }
        return cls(
            {path: file.text for path, file in host.files.items() if file.kind == "file"},
            frozenset(path for path, file in host.files.items() if file.kind == "directory"),
            {path: file.text for path, file in host.files.items() if file.kind == "link"},
            {name: what for name, what in units.items() if what},
            dict(host.pods),
            frozenset(host.images),
            frozenset(host.packages),
            dict(host.sysctls),
            tuple(_of_units(host.log)),
        )


def _of_units(log: list[str]) -> Iterator[str]:
    """A restart stops what runs, which the simulation has as a moment of its own."""
    told = [line for line in log if not line.startswith("pod ")]
    for line, after in pairwise([*told, ""]):
        verb, _, unit = line.partition(" ")
        if (verb, after) != ("stop", f"restart {unit}"):
            yield line


def words(node: Object) -> list[str]:
    """What a Node object says against pods on it."""
    taints = [str(taint["key"]).rpartition("/")[2] for taint in node["spec"].get("taints", ())]
    cordoned = ["cordoned"] if node["spec"].get("unschedulable") else []
    return [*cordoned, *(["out-of-service"] if "out-of-service" in taints else [])]


def membership(world: World) -> dict[str, str]:
    """What `RealHost.members` says, of a simulated cluster."""
    leads = world.leads()
    return {
        world.peer(name): "leads" if name == leads else "votes" if votes else "learner"
        for name, votes in world.members.items()
    }


def programs(folder: Path) -> Path:
    """A folder for PATH that holds nothing which could reach beyond a host's folder."""
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, f"{tool} is not installed"
        (folder / tool).symlink_to(found)
    for each in PROGRAMS.iterdir():
        (folder / each.name).symlink_to(each)
    return folder


@dataclass(slots=True)
class RealHost:
    """programs: of `programs`."""

    name: str
    folder: Path
    programs: Path

    @property
    def host(self) -> str:
        return self.name

    @property
    def _state(self) -> Path:
        return self.folder / ".state"

    def path(self, there: str) -> Path:
        return self.folder / there.lstrip("/")

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def materialise(self, world: World, host: SimHost) -> None:
        # Never empty on a real host.
        self.path(f"{at.UNITS}/multi-user.target.wants").mkdir(parents=True)
        for path, file in host.files.items():
            if file.kind == "directory":
                self.path(path).mkdir(parents=True, exist_ok=True)
            elif file.kind == "link":
                self.path(path).parent.mkdir(parents=True, exist_ok=True)
                self.path(path).symlink_to(file.text)
            else:
                self._write(self.path(path), file.text)
        for name, unit in host.units.items():
            for what in ("active", "enabled"):
                if getattr(unit, what):
                    self._write(self._state / "units" / name / what, "")
        for pod, made_from in host.pods.items():
            self._write(self._state / "pods" / pod, f"{made_from}\n")
        for number, image in enumerate(sorted(host.images)):
            self._write(self.path(f"/var/lib/containerd/images/{number}"), image)
        for setting, value in host.sysctls.items():
            self._write(self._state / "sysctls" / setting, f"{value}\n")
        for package in host.packages:
            self._write(self._state / "packages" / package, "")
            if package in SERVICES:
                self._write(self.path(f"/lib/systemd/system/{package}.service"), "")
        self._surroundings(world, host)

    def _surroundings(self, world: World, host: SimHost) -> None:
        """What the kernel and the rest of the cluster say to this host."""
        self._write(self.path("/proc/self/mountinfo"), "1 0 8:1 / / rw - ext4 /dev/sda rw\n")
        self._write(self.path("/proc/uptime"), "1000.00 1000.00\n")  # see programs/sleep
        if host.base.cgroup == 1:
            self.flag("cgroup1")
        if not world.endpoint_answers():
            self.flag("no-api")
        if world.external:
            if any(map(world.etcd_runs, world.hosts)) and host.active(
                "kanae-etcd-balancer.service"
            ):
                self.flag("etcd-answers")
        else:
            self.flag("data-dir", str(world.spec.etcd.data_dir))
        self._nodes(world)
        self._members(world, host)

    def _nodes(self, world: World) -> None:
        """What `nodes` reads, and of each whether it is Ready and which budget holds its pods."""
        for name, node in world.nodes.items():
            self._write(self._state / "nodes" / name, "".join(f"{w}\n" for w in words(node)))
            if world.node_ready(name):
                self._write(self._state / "ready" / name, "")
        for name, budget in world.budgets.items():
            self._write(self._state / "budgets" / name, budget)

    def _members(self, world: World, host: SimHost) -> None:
        """For programs/etcdctl: lines of id, name, peer URL, client URL, whether it is a learner,
        whether it runs. Ids are decimal in JSON and hexadecimal elsewhere, and all below 10."""
        if not world.quorum() or not world.etcd_runs(host.name):
            self.flag("no-etcd")
        lines: list[str] = []
        for number, (name, votes) in enumerate(world.members.items(), 1):
            began, runs = name in world.started, world.etcd_runs(name)
            client = f"https://{world.address(name)}:{ports.ETCD_CLIENT}" if began else ""
            fields = (str(number), name if began else "", world.peer(name), client)
            lines.append("|".join((*fields, "" if votes else "learner", "runs" if runs else "")))
            if name == host.name:
                self.flag("own-id", str(number))
            if name == world.leads():
                self.flag("leader", str(number))
            if why := world.removal_refused(name):
                self.flag(f"stays-{number}", why)
        self._write(self._state / "members", "".join(f"{line}\n" for line in lines))
        if why := world.add_refused():
            self.flag("full", why)

    def nodes(self) -> dict[str, list[str]]:
        """Of each Node what `words` says."""
        return {path.name: path.read_text().split() for path in self._listed("nodes")}

    def members(self) -> dict[str, str]:
        """Peer URL -> "leads", "votes" or "learner"."""
        fields = [line.split("|") for line in (self._state / "members").read_text().splitlines()]
        leader = self._state / "leader"
        leads = leader.read_text().strip() if leader.exists() else ""
        return {each[2]: "leads" if each[0] == leads else each[4] or "votes" for each in fields}

    def flag(self, name: str, text: str = "") -> None:
        self._write(self._state / name, text)

    def kubeadm_writes(self, what: str, files: Mapping[str, str | None]) -> None:
        """what: of kubeadm's commands, see programs/kubeadm. None: an empty folder."""
        root = self._state / "kubeadm" / what
        root.mkdir(parents=True)
        for path, text in files.items():
            if text is None:
                (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
            else:
                self._write(root / path.lstrip("/"), text)

    def placed(self, script: str) -> str:
        """The script with its paths below the folder. It must name no other."""
        kept = _OF_THE_KERNEL.sub(lambda found: f"\0{found[1]}", script)
        text = _ABSOLUTE.sub(f"{self.folder}/", kept).replace("\0", "/")
        for path in re.findall(r"(?<![\w/.:$}*-])/\w[\w./-]*", text):
            known = path.startswith(f"{self.folder}/") or _OF_THE_KERNEL.fullmatch(path)
            assert known or path in _NO_PATHS, f"{path} in: {script}"
        return text

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            self.placed(script),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                "LC_ALL": "C",
                "PATH": str(self.programs),
                "PROGRAMS": str(self.programs),
                "ROOT": str(self.folder),
            },
        )
        try:
            out, error = await asyncio.wait_for(process.communicate(stdin), timeout)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Completed(process.returncode or 0, out, error.decode())

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        for each in uploads:
            source = each.source if isinstance(each.source, bytes) else each.source.read_bytes()
            self._write(self.path(each.path), source.decode())

    async def close(self) -> None: ...

    def state(self) -> State:
        files: dict[str, str] = {}
        folders: set[str] = set()
        links: dict[str, str] = {}
        for path in self.folder.rglob("*"):
            there = f"/{path.relative_to(self.folder)}"
            if there.startswith(("/.state/", "/var/lib/containerd/", "/proc", *_NO_STATE)):
                continue
            if path.is_symlink():
                links[there] = str(path.readlink())
            elif path.is_file():
                files[there] = path.read_text().replace(str(self.folder), "")
            else:
                folders.add(there)
        return State(
            files,
            frozenset(folders),
            links,
            {
                unit.name: what
                for unit in self._listed("units")
                if (what := tuple(sorted(each.name for each in unit.iterdir())))
            },
            {pod.name: pod.read_text().strip() for pod in self._listed("pods")},
            frozenset(
                path.read_text() for path in self.path("/var/lib/containerd/images").glob("*")
            ),
            frozenset(package.name for package in self._listed("packages")),
            {each.name: each.read_text().rstrip("\n") for each in self._listed("sysctls")},
            tuple(self._log()),
        )

    def look(self) -> None:
        """A kubelet that runs sees manifests that have come or gone, and containerd does it."""
        both = (units.KUBELET, units.CONTAINERD)
        if all((self._state / "units" / unit / "active").exists() for unit in both):
            manifests = {path.stem: path for path in self.path(at.MANIFESTS).glob("*.yaml")}
            for pod in self._listed("pods"):
                pod.unlink()
            for pod, path in manifests.items():
                self._write(
                    self._state / "pods" / pod,
                    hashlib.sha256(path.read_bytes()).hexdigest() + "\n",
                )

    def _listed(self, what: str) -> list[Path]:
        return sorted((self._state / what).glob("*"))

    def _log(self) -> list[str]:
        log = self._state / "log"
        return log.read_text().splitlines() if log.exists() else []


@dataclass(slots=True)
class RealHosts:
    """Hosts of a world as folders, each made when it is first asked for."""

    world: World
    folder: Path
    programs: Path
    made: dict[str, RealHost] = field(default_factory=dict[str, RealHost])

    def real(self, name: str) -> RealHost:
        if name not in self.made:
            host = RealHost(name, self.folder / name, self.programs)
            host.materialise(self.world, self.world.hosts[name])
            self.made[name] = host
        return self.made[name]

    def __getitem__(self, name: str, /) -> Transport:
        return self.real(name)

    async def recover(self, host: str, *, grace: float) -> None:
        raise AssertionError(f"no connection to {host} is lost here")
