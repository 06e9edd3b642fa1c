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

from kanae.facts import api, folders, login, resolving, servers, shell
from kanae.facts.model import Query
from kanae.facts.words import asked_path, like, path, quoted, quoted_lines
from kanae.layout import families, ports, proxies
from kanae.layout import paths as at
from kanae.layout.family import PROGRAMS as NEEDED

_UNIT = re.compile(
    r"[A-Za-z0-9:_.\\@-]+\.(service|socket|timer|mount|target|path|slice|swap|scope)"
)
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_SYSCTL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.*/@:-]*")

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
            files=quoted((*BASE_FILES, *(sysctl_path(s) for s in query.sysctls))),
            features=" ".join(f"{name}:{symbol}" for name, symbol in KERNEL_FEATURES.items()),
            programs=" ".join(PROGRAMS),
            disks=quoted(path(p) for p in query.disks),
            session=proxies.SESSION,
            proxy_files=" ".join((*proxies.GENERAL, *proxies.OF_SERVICES)),
        ),
        login.SHELL.format(plain=login.PLAIN),
        shell.FILES.format(
            texts=quoted_lines(path(p) for p in query.contents),
            paths=" ".join(dict.fromkeys(map(asked_path, (*query.files, *query.contents)))),
        ),
    ]
    if query.kubeconfigs:
        parts.append(servers.SHELL.format(paths=quoted(map(path, query.kubeconfigs))))
    if query.folders:
        parts.append(folders.SHELL.format(paths=quoted(map(path, query.folders))))
    if query.certificates:
        parts.append(shell.CERTIFICATES.format(paths=quoted(map(path, query.certificates))))
    if query.units:
        parts.append(shell.UNITS.format(units=quoted(like(_UNIT, u) for u in query.units)))
    if query.sysctls:
        parts.append(shell.BOOT_SYSCTLS.format())
    if query.packages:
        names = quoted(like(_PACKAGE, p) for p in query.packages)
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
    like(_SYSCTL, name)
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
    return query.images or query.etcd or query.cluster or bool(query.names)


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
    if query.names:
        yield resolving.SHELL.format(names=quoted(like(resolving.NAME, n) for n in query.names))
    if query.cluster:
        yield api.asking(query)
