"""A simulated host: files, units, packages, settings, images, pods, and how facts show it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

from kanae.errors import StepFailed
from kanae.facts.model import (
    ApiFact,
    CertificateFact,
    EtcdFact,
    FileFact,
    HostBase,
    HostFacts,
    Query,
    UnitFact,
)
from kanae.layout import marks, units
from kanae.layout import paths as at

from .certificate import certificate, embedded, matches
from .fixtures import READ_AT

KUBELET: Final = units.KUBELET
# Static pods that read these only when they start.
READERS: Final = {
    "kube-controller-manager": at.CONTROLLER_MANAGER_CONF,
    "kube-scheduler": at.SCHEDULER_CONF,
}
_SERVER: Final = re.compile(r"(?m)^ *server: (\S+)")


@dataclass(frozen=True, slots=True)
class SimFile:
    """sha: of the content; given where the content itself is not kept (binaries)."""

    kind: str = "file"
    text: str = ""
    mode: int = 0o644
    owner: str = "root:root"
    sha: str = ""

    @classmethod
    def of(cls, text: str, mode: int = 0o644, owner: str = "root:root") -> SimFile:
        return cls("file", text, mode, owner, _sha(text))


@cache
def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SimUnit:
    """loaded: unit files as systemd last read them. reads: what the process took at its start or
    last reload, path -> sha. starts: how often it was started or restarted.
    """

    enabled: bool = False
    active: bool = False
    loaded: Mapping[str, str] = field(default_factory=dict[str, str])
    reads: Mapping[str, str] = field(default_factory=dict[str, str])
    starts: int = 0


@dataclass(slots=True)
class SimHost:
    """inputs: unit -> paths that its process reads, the unit's own files among them. read: by
    static pod, the kubeconfig that it has read, as its sha."""

    name: str
    base: HostBase
    inputs: Callable[[str], tuple[str, ...]]
    files: dict[str, SimFile] = field(default_factory=dict[str, SimFile])
    units: dict[str, SimUnit] = field(default_factory=dict[str, SimUnit])
    packages: set[str] = field(default_factory=set[str])
    sysctls: dict[str, str] = field(default_factory=dict[str, str])
    images: dict[str, str] = field(default_factory=dict[str, str])
    pods: dict[str, str] = field(default_factory=dict[str, str])
    log: list[str] = field(default_factory=list[str])
    powered: bool = True
    read: dict[str, str] = field(default_factory=dict[str, str])

    def copy(self) -> SimHost:
        return SimHost(
            self.name,
            self.base,
            self.inputs,
            dict(self.files),
            dict(self.units),
            set(self.packages),
            dict(self.sysctls),
            dict(self.images),
            dict(self.pods),
            list(self.log),
            self.powered,
            dict(self.read),
        )

    # Files

    def write(self, path: str, text: str, mode: int = 0o644, owner: str = "root:root") -> None:
        self.folder(path.rpartition("/")[0])
        self.files[path] = SimFile.of(text, mode, owner)

    def folder(self, path: str, mode: int = 0o755, owner: str = "root:root") -> None:
        self.files.setdefault(path, SimFile("directory", "", mode, owner))

    def has(self, *paths: str) -> bool:
        return all(path in self.files for path in paths)

    def text(self, path: str) -> str:
        return self.files[path].text

    def remove(self, path: str, kept: Set[str] = frozenset()) -> None:
        """A file, or a folder with all in it but what is kept."""
        gone = [each for each in self.files if each == path or each.startswith(f"{path}/")]
        gone = [each for each in gone if each not in kept]
        for each in gone:
            del self.files[each]

    def mark(self, name: str, text: str = "") -> None:
        self.write(f"{marks.FOLDER}/{name}", text, 0o600)

    def marked(self, name: str) -> bool:
        return f"{marks.FOLDER}/{name}" in self.files

    def recorded(self, *paths: str) -> str:
        """As sha256sum prints them."""
        return "".join(f"{self.files[path].sha}  {path}\n" for path in paths)

    # Units

    def unit(self, name: str) -> SimUnit:
        return self.units.get(name, SimUnit())

    def active(self, name: str) -> bool:
        return self.unit(name).active

    def daemon_reload(self) -> None:
        for name, unit in self.units.items():
            self.units[name] = replace(unit, loaded=self._unit_files(name))

    def _unit_files(self, name: str) -> dict[str, str]:
        own = f"{at.UNITS}/{name}"
        return {
            path: file.sha
            for path, file in self.files.items()
            if path == own or path.startswith(f"{own}.d/")
        }

    def enable(self, name: str) -> None:
        """`systemctl enable` also reloads the units, even when nothing was to be enabled."""
        if f"{at.UNITS}/{name}" not in self.files:
            raise StepFailed(self.name, f"systemctl enable {name}", 1, "unit not found")
        self.units[name] = replace(self.unit(name), enabled=True)
        self.daemon_reload()

    def start(self, name: str, verb: str = "restart") -> None:
        """start: nothing when it runs already; reload: reads its files but not its unit again."""
        unit = self.unit(name)
        if verb == "start" and unit.active:
            return
        own = unit.loaded or self._unit_files(name)
        if not own:
            raise StepFailed(self.name, f"systemctl {verb} {name}", 5, f"Unit {name} not found.")
        restarted = not (verb == "reload" and unit.active)
        reads = {
            path: own[path] if path in own else self.files[path].sha
            for path in self.inputs(name)
            if path in self.files and (restarted or path not in own)
        }
        self.log.append(f"{verb} {name}")
        self.units[name] = replace(
            unit,
            active=True,
            loaded=own,
            reads=reads if restarted else {**unit.reads, **reads},
            starts=unit.starts + restarted,
        )

    def stop(self, name: str) -> None:
        self.log.append(f"stop {name}")
        self.units[name] = replace(self.unit(name), active=False, reads={})

    def disable(self, name: str) -> None:
        """`systemctl disable --now`: nothing for a unit that is not there."""
        if name in self.units:
            if self.active(name):
                self.stop(name)
            self.units[name] = replace(self.unit(name), enabled=False)

    # Static pods

    def sync_pods(self) -> None:
        """What a running kubelet makes of the manifests; without kubelet pods stay as they are."""
        if not self.active(KUBELET):
            return
        wanted = {
            path.removeprefix(f"{at.MANIFESTS}/").removesuffix(".yaml"): file.sha
            for path, file in self.files.items()
            if path.startswith(f"{at.MANIFESTS}/") and path.endswith(".yaml")
        }
        for pod, sha in wanted.items():
            if self.pods.get(pod) != sha:
                self.restart_pod(pod)
        self.pods = wanted

    def restart_pod(self, pod: str) -> None:
        self.log.append(f"pod {pod}")
        if pod in READERS and self.has(READERS[pod]):
            self.read[pod] = self.files[READERS[pod]].sha

    def reads_now(self) -> None:
        """What has read a kubeconfig has read what is there now."""
        self.read = {pod: self.files[READERS[pod]].sha for pod in self.read if pod in self.pods}

    # Power

    def power_cut(self) -> None:
        self.powered = False
        self.pods = {}
        for name, unit in self.units.items():
            self.units[name] = replace(unit, active=False, reads={}, loaded={})

    def power_on(self) -> None:
        """A kubelet without its configuration ends at once, again and again."""
        self.powered = True
        for name, unit in list(self.units.items()):
            if unit.enabled and (name != KUBELET or self.has(at.KUBELET_CONFIG)):
                self.start(name)
        self.sync_pods()

    # Facts

    def facts(self, query: Query, api: ApiFact | None, etcd: EtcdFact | None) -> HostFacts:
        """Exactly what was asked, nothing else."""
        held = {
            path.removeprefix(f"{marks.FOLDER}/"): file.text
            for path, file in self.files.items()
            if path.startswith(f"{marks.FOLDER}/")
        }
        contents = set(query.contents)
        return HostFacts(
            self.name,
            READ_AT,
            self.base,
            files={
                path: self._file(self.base.login.path(path) or "", path in contents)
                for path in query.files
            },
            folders={path: self._names(path) for path in query.folders},
            certificates={path: self._certificate(path) for path in query.certificates},
            units={name: self._unit(name) for name in query.units},
            packages={name: "1" if name in self.packages else None for name in query.packages},
            sysctls={name: self.sysctls.get(name) for name in query.sysctls},
            images=dict(self.images) if self.active(units.CONTAINERD) and query.images else None,
            api=api if query.cluster else None,
            etcd=etcd if query.etcd else None,
            marks=held,
            servers={path: url for path in query.kubeconfigs if (url := self.server(path))},
        )

    def server(self, path: str) -> str:
        match = _SERVER.search(self.text(path)) if self.has(path) else None
        return match[1] if match else ""

    def _names(self, folder: str) -> tuple[str, ...]:
        inside = [path for path in self.files if path.startswith(f"{folder}/")]
        return tuple(sorted({path[len(folder) + 1 :].partition("/")[0] for path in inside}))

    def _file(self, path: str, content: bool) -> FileFact | None:
        file = self.files.get(path)
        if file is None:
            return None
        text = file.text if content and file.kind == "file" else None
        return FileFact(file.kind, file.mode, file.owner, len(file.text), file.sha, "", text)

    def _unit(self, name: str) -> UnitFact:
        unit = self.unit(name)
        there = f"{at.UNITS}/{name}" in self.files
        masked = there and self.files[f"{at.UNITS}/{name}"].kind == "link"
        return UnitFact(
            "masked" if masked else "loaded" if there or unit.active else "not-found",
            "active" if unit.active else "inactive",
            ("enabled" if unit.enabled else "disabled") if there else "",
        )

    def _certificate(self, path: str) -> CertificateFact | None:
        held = embedded(self.text(path)) if self.has(path) else ""
        if not held:
            return None
        key = self.text(at.key(path)) if self.has(at.key(path)) else self.text(path)
        known = matches(held, key) if "PRIVATE KEY-----" in key else None
        return replace(certificate(held), key_matches=known)

    def of_cluster(self) -> list[str]:
        """Files of Kubernetes and kubelet that hold certificates."""
        folders = (f"{at.KUBERNETES}/", f"{at.KUBELET_STATE}/")
        return [
            path for path, file in self.files.items()
            if path.startswith(folders) and embedded(file.text)
        ]  # fmt: skip

    def ended(self, *paths: str) -> bool:
        """Whether a certificate that is there, one of these, has."""
        held = [embedded(self.text(path)) for path in paths if self.has(path)]
        return any(certificate(text).not_after <= READ_AT for text in held if text)
