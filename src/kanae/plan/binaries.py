"""Programs that kanae brings to a host, by its roles."""

from __future__ import annotations

from kanae.artifacts.model import Kind
from kanae.layout import paths as at
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
_CONTAINERD = tuple(
    f"{at.BIN}/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr", "runc")
)
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
        draft.at.delivered[host] = build.last


def _early(view: View, host: str) -> list[Binary]:
    """All; of a node that has not joined yet those of containerd, which then loads images."""
    wanted = _binaries(view, host)
    if not view.unjoined(host):
        return wanted
    return [each for each in wanted if each.path in _CONTAINERD]


def late(view: View, host: str) -> list[Binary]:
    """What remains of a node that has not joined yet."""
    return [each for each in _binaries(view, host) if each.path not in _CONTAINERD]


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
