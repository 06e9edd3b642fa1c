"""What a host of each role should have, stage by stage, as resources.

`stages` is used twice: with a typical host to know what to ask, then with the real facts to plan.
Which paths and units there are must therefore not depend on facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kanae.artifacts.catalogue import Release
from kanae.artifacts.model import Artifact, Kind
from kanae.artifacts.named import LocalArchive
from kanae.facts.model import HostBase
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan import front
from kanae.plan.view import shared
from kanae.render import (
    api_server,
    containerd,
    etcd,
    haproxy,
    kubelet,
    shutdown,
    system,
)
from kanae.render.kubelet_config import kubelet_patch
from kanae.resources.artifact import Binary, Image
from kanae.resources.file import Absent, Directory, File
from kanae.resources.model import Resource
from kanae.resources.system import Modules, Packages, SwapOff, Sysctl
from kanae.resources.unit import Unit
from kanae.spec.models import EtcdTopology, Role, Spec, SwapPolicy

NODE_BINARIES = (
    "kubeadm",
    "kubelet",
    "kubectl",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "runc",
    "crictl",
)
CNI_BINARIES = (
    "bridge",
    "host-local",
    "portmap",
    "loopback",
    "firewall",
    "ptp",
    "tuning",
    "bandwidth",
    "flannel",
)
CONTROL_PLANE_IMAGES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
NODE_IMAGES = ("pause", "kube-proxy", "coredns")
# What a host looks like before it has been asked: only its paths and names are used.
TYPICAL = HostBase(
    hostname="",
    machine_id="",
    product_uuid="",
    boot_id="",
    os_id="debian",
    os_version="12",
    os_name="",
    arch="amd64",
    kernel="",
    cpus=2,
    memory=0,
    swap=0,
    cgroup=2,
    uptime=0.0,
    clock_offset=0.0,
    clock_error=0.0,
    hard_nofile=1048576,
    can_lower_oom=True,
    systemd=252,
)


@dataclass(frozen=True, slots=True)
class Site:
    """What the wishes for all hosts derive from. artifacts: by Artifact.id, those in the cache."""

    spec: Spec
    release: Release
    artifacts: Mapping[str, Artifact]
    archives: tuple[LocalArchive, ...] = ()


@dataclass(frozen=True, slots=True)
class Stages:
    """Resources of one host by stage, in the order in which a host goes through them."""

    system: tuple[Resource, ...] = ()
    binaries: tuple[Resource, ...] = ()
    runtime: tuple[Resource, ...] = ()
    images: tuple[Resource, ...] = ()
    etcd: tuple[Resource, ...] = ()
    balancer: tuple[Resource, ...] = ()
    kubernetes: tuple[Resource, ...] = ()

    def all(self) -> tuple[Resource, ...]:
        return (
            *self.system,
            *self.binaries,
            *self.runtime,
            *self.images,
            *self.etcd,
            *self.balancer,
            *self.kubernetes,
        )

    @property
    def units(self) -> tuple[Unit, ...]:
        return tuple(resource for resource in self.all() if isinstance(resource, Unit))


def stages(site: Site, host: str, base: HostBase, joined: bool) -> Stages:
    spec, roles = site.spec, site.spec.hosts[host].roles
    node = Role.CONTROL_PLANE in roles or Role.WORKER in roles
    external = spec.etcd_topology is EtcdTopology.EXTERNAL
    return Stages(
        system=_system(site, host, base),
        binaries=_binaries(site, host, base),
        runtime=_runtime(site, host, base, joined) if node else (),
        images=_images(site, host, base) if node else (),
        etcd=_etcd(spec, host, base) if external else (),
        balancer=front.resources(spec, host, base),
        kubernetes=_kubernetes(spec, host, base) if node else (),
    )


def _system(site: Site, host: str, base: HostBase) -> tuple[Resource, ...]:
    spec = site.spec
    sysctls = system.sysctls(spec, host, base)
    modules = system.modules(spec, host)
    packages, quiet = system.packages(spec, host)
    mark = marks.MEMBER + spec.name if shared(spec, host) else marks.CLUSTER
    wishes: list[Resource] = [
        Directory(at.STATE, 0o700),
        Directory(marks.FOLDER, 0o700),
        Directory(at.KANAE),
        File(f"{marks.FOLDER}/{mark}", spec.name, 0o600),
    ]
    if modules:
        wishes += [File(at.MODULES, system.modules_file(modules)), Modules(tuple(modules))]
    if sysctls:
        wishes.append(File(_sysctl_file(spec, host), system.sysctls_file(sysctls)))
        wishes += [Sysctl(setting, value) for setting, value in sysctls.items()]
    else:
        wishes.append(Absent(_sysctl_file(spec, host)))
    if spec.policies.swap is SwapPolicy.OFF and host in spec.nodes:
        wishes.append(SwapOff())
    if packages:
        wishes.append(Packages(tuple(packages), tuple(quiet)))
    return tuple(wishes)


def _sysctl_file(spec: Spec, host: str) -> str:
    """One for each cluster where several share the host, so that none overwrites another's."""
    return at.SYSCTLS.replace(".conf", f"-{spec.name}.conf") if shared(spec, host) else at.SYSCTLS


def _binaries(site: Site, host: str, base: HostBase) -> tuple[Resource, ...]:
    roles = site.spec.hosts[host].roles
    wanted: dict[str, str] = {}
    if Role.CONTROL_PLANE in roles or Role.WORKER in roles:
        wanted |= dict.fromkeys(NODE_BINARIES, at.BIN)
        wanted |= dict.fromkeys(CNI_BINARIES, at.CNI_BIN)
    if Role.ETCD in roles:
        wanted["etcd"] = at.BIN
    if Role.ETCD in roles or Role.CONTROL_PLANE in roles:
        wanted |= {"etcdctl": at.BIN, "etcdutl": at.BIN}
    if Role.CLIENT in roles:
        wanted["kubectl"] = at.BIN
    folders = [Directory(folder) for folder in dict.fromkeys(wanted.values()) if folder != at.BIN]
    return (*folders, *(_binary(site, name, folder, base) for name, folder in wanted.items()))


def _binary(site: Site, name: str, folder: str, base: HostBase) -> Binary:
    item = site.release.item(Kind.BINARY, name, base.arch)
    had = site.artifacts.get(item.id)
    return Binary(
        f"{folder}/{name}",
        item.id,
        item.version,
        had.digest if had else "",
        had.size if had else 0,
    )


def _runtime(site: Site, host: str, base: HostBase, joined: bool) -> tuple[Resource, ...]:
    spec = site.spec
    address = str(spec.hosts[host].address)
    pause = site.release.image_references()["pause"]
    config = File(at.CONTAINERD_CONFIG, containerd.config(spec, host, base, pause))
    unit = File(at.CONTAINERD_UNIT, containerd.unit(base))
    kubelet_unit = File(at.KUBELET_UNIT, kubelet.unit())
    dropin = File(at.KUBELET_DROPIN, kubelet.dropin(address))
    return (
        config,
        unit,
        File(at.CRICTL_CONFIG, containerd.crictl()),
        kubelet_unit,
        dropin,
        Unit(
            units.CONTAINERD,
            restart_on=(config.key, unit.key, f"binary:{at.BIN}/containerd"),
        ),
        Unit(
            units.KUBELET,
            restart_on=(kubelet_unit.key, dropin.key, f"binary:{at.BIN}/kubelet"),
            running=joined,
        ),
    )


def _images(site: Site, host: str, base: HostBase) -> tuple[Resource, ...]:
    spec, roles = site.spec, site.spec.hosts[host].roles
    names: list[str] = list(NODE_IMAGES)
    if Role.CONTROL_PLANE in roles:
        names += CONTROL_PLANE_IMAGES
        if spec.etcd_topology is EtcdTopology.STACKED:
            names.append("etcd")
    names += system.network_images(spec)
    wishes: list[Resource] = []
    for name in names:
        item = site.release.item(Kind.IMAGE, name, base.arch)
        had = site.artifacts.get(item.id)
        wishes.append(
            Image(item.reference, item.id, had.digest if had else "", had.size if had else 0)
        )
    for archive in site.archives:
        if set(archive.roles) & set(roles):
            wishes += [
                Image(reference, f"archive:{archive.path}", digest, archive.size)
                for reference, digest in archive.references.items()
            ]
    return tuple(wishes)


def _etcd(spec: Spec, host: str, base: HostBase) -> tuple[Resource, ...]:
    wishes: list[Resource] = []
    roles = spec.hosts[host].roles
    if Role.ETCD in roles:
        members = {name: str(spec.hosts[name].address) for name in spec.having(Role.ETCD)}
        config = File(at.ETCD_CONFIG, etcd.config(spec, host, members, "new"), 0o600)
        unit = File(at.ETCD_UNIT, etcd.unit(spec))
        wishes += [
            Directory(str(spec.etcd.data_dir), 0o700),
            config,
            unit,
            Unit(units.ETCD, restart_on=(config.key, unit.key, f"binary:{at.BIN}/etcd")),
        ]
    if Role.CONTROL_PLANE in roles:
        config = File(at.ETCD_BALANCER_CONFIG, haproxy.etcd_front(spec, host))
        unit = File(at.ETCD_BALANCER_UNIT, haproxy.etcd_front_unit(base))
        wishes += [
            config,
            unit,
            Unit(units.ETCD_BALANCER, restart_on=(unit.key,), reload_on=(config.key,)),
        ]
    return tuple(wishes)


def _kubernetes(spec: Spec, host: str, base: HostBase) -> tuple[Resource, ...]:
    wishes: list[Resource] = [Directory(at.PATCHES)]
    wishes.append(File(at.KUBELET_PATCH, kubelet_patch(spec, host, base)))
    if Role.CONTROL_PLANE in spec.hosts[host].roles:
        api = api_server.patch(spec)
        wishes.append(
            Absent(at.API_SERVER_PATCH) if api is None else File(at.API_SERVER_PATCH, api)
        )
        script = File(at.SHUTDOWN_SCRIPT, shutdown.script(), 0o755)
        unit = File(at.SHUTDOWN_UNIT, shutdown.unit())
        wishes += [script, unit, Unit(units.SHUTDOWN, restart_on=(unit.key,))]
    return tuple(wishes)
