"""Programs that kanae brings to a host, by its roles."""

from __future__ import annotations

from kanae.artifacts.model import Kind
from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan.draft import Draft
from kanae.plan.view import View
from kanae.resources.artifact import Binary
from kanae.resources.file import Directory
from kanae.resources.model import Resource
from kanae.spec.models import Role

_NODE = (
    "kubeadm",
    "kubelet",
    "kubectl",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "runc",
    "crictl",
)
# What is running on a node, or is run by what is running.
_RUNTIME = ("containerd", "containerd-shim-runc-v2", "ctr", "runc")
_CONTAINERD = tuple(f"{at.BIN}/{name}" for name in _RUNTIME)
_RUNNING = ("kubelet", *_RUNTIME)
_CNI = (
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


def resources(view: View, host: str) -> tuple[Resource, ...]:
    return (*_folders(view, host), *_binaries(view, host))


def plan(draft: Draft) -> None:
    for host, build in draft.hosts.items():
        build.converge("binaries", "folders", _folders(draft.view, host))
        build.deliver("artifacts", "deliver binaries", _early(draft.view, host))
        draft.at.programs[host] = build.last


def _early(view: View, host: str) -> list[Binary]:
    """All but what waits for its turn; of a node that has not joined yet those of containerd, which
    then loads images."""
    wanted = _binaries(view, host)
    if view.unjoined(host):
        return [each for each in wanted if each.path in _CONTAINERD]
    later = {binary.path for binary in (*runtime_programs(view, host), *etcd(view, host))}
    return [each for each in wanted if each.path not in later]


def late(view: View, host: str) -> list[Binary]:
    """What remains of a node that has not joined yet, but for what waits for its turn."""
    later = {binary.path for binary in etcd(view, host)}
    return [each for each in _binaries(view, host) if each.path not in {*_CONTAINERD, *later}]


def runtime_programs(view: View, host: str) -> list[Binary]:
    """What runs on a node that has joined: replaced when it is the node's turn to restart them. One
    that is replaced before would be run by whatever restarts it meanwhile."""
    if host not in view.spec.nodes or not view.joined(host):
        return []
    return [_binary(view, name, at.BIN, host) for name in _RUNNING]


def etcd(view: View, host: str) -> list[Binary]:
    """The same of a member of external etcd."""
    if Role.ETCD not in view.spec.hosts[host].roles or not view.active(host, units.ETCD):
        return []
    return [_binary(view, "etcd", at.BIN, host)]


def _wanted(view: View, host: str) -> dict[str, str]:
    """Program -> its folder."""
    roles = view.spec.hosts[host].roles
    wanted: dict[str, str] = {}
    if host in view.spec.nodes:
        wanted |= dict.fromkeys(_NODE, at.BIN)
        wanted |= dict.fromkeys(_CNI, at.CNI_BIN)
    if Role.ETCD in roles:
        wanted["etcd"] = at.BIN
    if Role.ETCD in roles or Role.CONTROL_PLANE in roles:
        wanted |= {"etcdctl": at.BIN, "etcdutl": at.BIN}
    if Role.CLIENT in roles:
        wanted["kubectl"] = at.BIN
    return wanted


def _folders(view: View, host: str) -> list[Directory]:
    folders = dict.fromkeys(_wanted(view, host).values())
    return [Directory(folder) for folder in folders if folder != at.BIN]


def _binaries(view: View, host: str) -> list[Binary]:
    return [_binary(view, name, folder, host) for name, folder in _wanted(view, host).items()]


def _binary(view: View, name: str, folder: str, host: str) -> Binary:
    item = view.site.release.item(Kind.BINARY, name, view.base(host).arch)
    had = view.site.artifacts.get(item.id)
    return Binary(
        f"{folder}/{name}",
        item.id,
        item.version,
        had.digest if had else "",
        had.size if had else 0,
    )
