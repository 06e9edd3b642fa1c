"""The script of facts: one POSIX sh text for one host and one round trip.

It needs only coreutils, util-linux, iproute2 and systemd; everything else is used where it is
found. Forks cost most of its time, so each program is called once for all names. What it prints
is read by `kanae.facts.parse`:

    kanae-facts 1 BEGAN       BEGAN is the host's clock in nanoseconds, so that nothing that a
    #BEGAN section            program prints can pass for the delimiter of a section
    ...
    #BEGAN end CLOCK
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from kanae.facts import folders, shell
from kanae.facts.model import ObjectKey, Query
from kanae.layout import families, ports, proxies
from kanae.layout import paths as at
from kanae.layout.family import PROGRAMS as NEEDED

_UNIT = re.compile(
    r"[A-Za-z0-9:_.\\@-]+\.(service|socket|timer|mount|target|path|slice|swap|scope)"
)
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_SYSCTL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.*/@:-]*")
_RESOURCE = re.compile(r"[a-z0-9][a-z0-9.-]*")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.:-]*")

# Read on every host, whole, by one `head`.
BASE_FILES = (
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/random/boot_id",
    "/proc/uptime",
    "/proc/meminfo",
    "/proc/filesystems",
    "/proc/cgroups",
    "/sys/fs/cgroup/cgroup.controllers",
    "/proc/sys/kernel/modules_disabled",
    "/etc/machine-id",
    "/etc/os-release",
    at.RESOLV_CONF,
    at.RESOLVED_CONF,
    "/sys/class/dmi/id/product_uuid",
    "/sys/fs/selinux/enforce",
)

# Kernel feature -> the symbol in the kernel's configuration that builds it.
KERNEL_FEATURES = {
    "overlay": "CONFIG_OVERLAY_FS",
    "br_netfilter": "CONFIG_BRIDGE_NETFILTER",
    "bridge": "CONFIG_BRIDGE",
    "veth": "CONFIG_VETH",
    "vxlan": "CONFIG_VXLAN",
    "nf_conntrack": "CONFIG_NF_CONNTRACK",
    "nf_tables": "CONFIG_NF_TABLES",
    "ip_tables": "CONFIG_IP_NF_IPTABLES",
    "openvswitch": "CONFIG_OPENVSWITCH",
}

# API group -> version that every supported Kubernetes serves.
GROUPS = {
    "": "v1",
    "admissionregistration.k8s.io": "v1",
    "apiextensions.k8s.io": "v1",
    "apiregistration.k8s.io": "v1",
    "apps": "v1",
    "autoscaling": "v2",
    "batch": "v1",
    "coordination.k8s.io": "v1",
    "networking.k8s.io": "v1",
    "policy": "v1",
    "rbac.authorization.k8s.io": "v1",
    "scheduling.k8s.io": "v1",
    "storage.k8s.io": "v1",
}

# Programs that kubeadm, kubelet, kube-proxy, the balancers and kanae call on some role's hosts.
PROGRAMS = sorted(
    {
        *(manager.program for manager in families.MANAGERS),
        *NEEDED.values(),
        "base64",
        "cp",
        "head",
        "ip",
        "kmod",
        "losetup",
        "modprobe",
        "mount",
        "nsenter",
        "openssl",
        "sha256sum",
        "stat",
        "systemctl",
        "tar",
        "timeout",
        "umount",
    }
)


def script(query: Query, state: str = at.STATE) -> str:
    """The script that asks `query`. state: kanae's folder on the host.

    Raises ValueError for a name that no host could have (a line break in a path, an option in
    place of a unit): such a query is a mistake in kanae, not in a spec.
    """
    parts = [
        shell.HEAD.format(
            state=shlex.quote(state), slow="y" if _slow(query) else "", direct=proxies.UNSET
        ),
        *_background(query),
        shell.BASE.format(
            files=_quoted((*BASE_FILES, *(sysctl_path(s) for s in query.sysctls))),
            features=" ".join(f"{name}:{symbol}" for name, symbol in KERNEL_FEATURES.items()),
            programs=" ".join(PROGRAMS),
            disks=_quoted(_path(p) for p in query.disks),
            session=proxies.SESSION,
            proxy_files=" ".join((*proxies.GENERAL, *proxies.OF_SERVICES)),
        ),
        shell.FILES.format(
            texts=_quoted_lines(_path(p) for p in query.contents),
            paths=_quoted(dict.fromkeys(_path(p) for p in (*query.files, *query.contents))),
        ),
    ]
    if query.folders:
        parts.append(folders.SHELL.format(paths=_quoted(map(_path, query.folders))))
    if query.certificates:
        parts.append(shell.CERTIFICATES.format(paths=_quoted(map(_path, query.certificates))))
    if query.units:
        parts.append(shell.UNITS.format(units=_quoted(_like(_UNIT, u) for u in query.units)))
    if query.sysctls:
        parts.append(shell.BOOT_SYSCTLS.format())
    if query.packages:
        names = _quoted(_like(_PACKAGE, p) for p in query.packages)
        parts.append(shell.PACKAGES.format())
        parts += [
            shell.PACKAGES_OF.format(
                program=manager.query.split()[0], query=manager.query, packages=names
            )
            for manager in families.MANAGERS
        ]
    parts.append(shell.TAIL.format())
    return "".join(parts)


def sysctl_path(name: str) -> str:
    """Path below /proc/sys, by sysctl(8)'s rule: the separator is the one that comes first."""
    _like(_SYSCTL, name)
    if ".." in name or "//" in name:
        raise ValueError(f"not a sysctl: {name!r}")
    return below_proc(name)


def below_proc(name: str) -> str:
    """The same for any text, such as a pattern in a host's file."""
    slash, dot = name.find("/"), name.find(".")
    if slash == -1 or -1 < dot < slash:
        name = name.translate(str.maketrans("./", "/."))
    return f"/proc/sys/{name}"


def _slow(query: Query) -> bool:
    return query.images or query.etcd or query.cluster


def _background(query: Query) -> Iterable[str]:
    """What waits for other programs runs beside the rest, so that their time-outs do not add up."""
    if query.images:
        yield shell.IMAGES.format(socket=at.CONTAINERD_SOCKET)
    if query.etcd:
        yield shell.ETCD.format(
            port=ports.ETCD_CLIENT,
            ca=at.ETCD_CA,
            certificate=at.ETCD_PROBE,
            key=at.key(at.ETCD_PROBE),
        )
    if query.cluster:
        address, port = _like(_NAME, query.address), f"{query.api_port:d}"
        paths = api_paths(query)
        if paths is not None:
            yield shell.API.format(
                address=address, port=port, paths=_quoted(paths), admin=at.ADMIN_CONF
            )
        yield shell.KUBECTL.format(
            address=address,
            port=port,
            gets="".join(_gets(query.objects)),
            admin=at.ADMIN_CONF,
            cache=at.KUBECTL_CACHE,
        )


def api_paths(query: Query) -> tuple[str, ...] | None:
    """URLs that are asked in one connection: health, nodes, then the objects; None when one of
    those is of a kind whose version is not known here."""
    paths = ["/readyz", "/api/v1/nodes"]
    for key in query.objects:
        resource, _, group = _like(_RESOURCE, key.resource).partition(".")
        if group not in GROUPS or not resource.endswith("s"):
            return None
        root = f"/apis/{group}/{GROUPS[group]}" if group else "/api/v1"
        where = f"/namespaces/{_like(_NAME, key.namespace)}" if key.namespace else ""
        paths.append(f"{root}{where}/{resource}/{_like(_NAME, key.name)}")
    return tuple(paths)


def _gets(objects: Iterable[ObjectKey]) -> Iterable[str]:
    """One kubectl for each namespace: it cannot mix namespaces in one call."""
    namespaces: dict[str, list[str]] = {}
    for key in objects:
        name = f"{_like(_RESOURCE, key.resource)}/{_like(_NAME, key.name)}"
        namespaces.setdefault(key.namespace, []).append(name)
    for number, (namespace, names) in enumerate(namespaces.items()):
        where = f"-n {_like(_NAME, namespace)}" if namespace else ""
        yield shell.OBJECTS.format(number=number, where=where, names=_quoted(names))


def _path(path: str) -> str:
    if not path.startswith("/") or re.search(r"[\x00-\x1f\\]| -> ", path):
        raise ValueError(f"not a path to ask for: {path!r}")
    return path


def _like(pattern: re.Pattern[str], name: str) -> str:
    if not pattern.fullmatch(name):
        raise ValueError(f"not a name to ask for: {name!r}")
    return name


def _quoted(words: Iterable[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)


def _quoted_lines(words: Iterable[str]) -> str:
    return shlex.quote("\n".join(words))
