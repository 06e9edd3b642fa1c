"""The families of distributions: a row each, and which row a host belongs to.

Sources: the distributions' own package lists (packages.debian.org, packages.ubuntu.com,
packages.fedoraproject.org, the BaseOS and AppStream repositories of RHEL 9 and 10), os-release(5),
dpkg-query(1), apt.conf(5), dnf.conf(5), rpm(8). Only rows with `tried` have been run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from kanae.layout.family import Family, Manager, Need, Supply

_APT: Final = Manager(
    program="apt-get",
    install=(
        "DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends"
        " -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0"
    ),
    refresh="apt-get update -qq",
    query="dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\\n' --",
)
# dnf waits for its lock as long as it takes (exit_on_lock is off by default).
_DNF: Final = Manager(
    program="dnf",
    install="dnf install -q -y --setopt=install_weak_deps=False",
    refresh="dnf makecache -q --refresh",
    query="rpm -q --qf 'installed %{NAME} %{VERSION}-%{RELEASE}\\n' --",
)

DEBIAN: Final = Family(
    name="debian",
    ids=("debian",),
    manager=_APT,
    supplies={
        Need.CONNTRACK: Supply("conntrack"),
        Need.ETHTOOL: Supply("ethtool"),
        Need.IPTABLES: Supply("iptables"),
        Need.NFTABLES: Supply("nftables", "/usr/sbin/nft"),
        Need.SOCAT: Supply("socat"),
        Need.CURL: Supply("curl"),
        Need.HAPROXY: Supply("haproxy", "/usr/sbin/haproxy", ("haproxy.service",)),
        Need.NGINX: Supply("nginx", "/usr/sbin/nginx", ("nginx.service",), user="www-data"),
        Need.NGINX_STREAM: Supply(
            "libnginx-mod-stream", "/usr/lib/nginx/modules/ngx_stream_module.so"
        ),
        Need.KEEPALIVED: Supply("keepalived", "/usr/sbin/keepalived", ("keepalived.service",)),
        Need.PROCPS: Supply("procps", "/usr/bin/pgrep"),
        Need.PERL: Supply(None, "/usr/bin/perl", why="perl-base is essential"),
        Need.PERL_SOCKET: Supply(None, why="part of perl-base"),
    },
    modprobe="/sbin/modprobe",
    environment="/etc/default",
    runtimes=("containerd", "containerd.io", "docker.io", "docker-ce", "cri-o"),
    firewalls=("firewalld.service", "ufw.service"),
    python="apt-get install python3 (bookworm or newer)",
    tried=("debian 12", "debian 13"),
)
# needrestart is part of Ubuntu's servers: after an installation it would restart services that
# kanae has not planned to.
UBUNTU: Final = replace(
    DEBIAN,
    name="ubuntu",
    ids=("ubuntu",),
    manager=replace(_APT, install=f"NEEDRESTART_SUSPEND=1 {_APT.install}"),
    python="apt-get install python3 (python3.11 on 22.04)",
    tried=(),
)
# By Fedora's presets no service starts by being installed.
RHEL: Final = Family(
    name="rhel",
    ids=("rhel", "fedora", "rocky", "almalinux", "centos", "ol"),
    manager=_DNF,
    supplies={
        Need.CONNTRACK: Supply("conntrack-tools"),
        Need.ETHTOOL: Supply("ethtool"),
        Need.IPTABLES: Supply("iptables-nft"),
        Need.NFTABLES: Supply("nftables", "/usr/sbin/nft"),
        Need.SOCAT: Supply("socat"),
        Need.CURL: Supply(
            None, why="every installation has curl or curl-minimal, and each excludes the other"
        ),
        Need.HAPROXY: Supply("haproxy", "/usr/sbin/haproxy"),
        Need.NGINX: Supply("nginx", "/usr/sbin/nginx", user="nginx"),
        Need.NGINX_STREAM: Supply(
            "nginx-mod-stream", "/usr/lib64/nginx/modules/ngx_stream_module.so"
        ),
        Need.KEEPALIVED: Supply("keepalived", "/usr/sbin/keepalived"),
        Need.PROCPS: Supply("procps-ng", "/usr/bin/pgrep"),
        Need.PERL: Supply("perl-interpreter", "/usr/bin/perl"),
        Need.PERL_SOCKET: Supply("perl-Socket"),
    },
    modprobe="/usr/sbin/modprobe",
    environment="/etc/sysconfig",
    runtimes=("containerd", "containerd.io", "docker-ce", "moby-engine", "cri-o"),
    firewalls=("firewalld.service",),
    python="dnf install python3.12",
)

FAMILIES: Final = (DEBIAN, UBUNTU, RHEL)
MANAGERS: Final = (_APT, _DNF)

_BY_HAND: Final = Supply(None, why="what packages are called there is not known")
# A host of it can be a node when its operator has installed the programs. What must be named by
# path or user is missing here; the paths that are not are of lines that may fail without harm.
UNKNOWN: Final = Family(
    name="unknown",
    ids=(),
    manager=None,
    supplies={
        Need.CONNTRACK: _BY_HAND,
        Need.ETHTOOL: _BY_HAND,
        Need.IPTABLES: _BY_HAND,
        Need.NFTABLES: replace(_BY_HAND, path="/usr/sbin/nft"),
        Need.SOCAT: _BY_HAND,
        Need.CURL: _BY_HAND,
    },
    modprobe="/sbin/modprobe",
    environment="/etc/default",
)


def of(os_id: str, os_like: Sequence[str] = ()) -> Family:
    """By ID and the words of ID_LIKE, nearest first, in /etc/os-release; UNKNOWN when none fits."""
    for name in (os_id, *os_like):
        for family in FAMILIES:
            if name in family.ids:
                return family
    return UNKNOWN


def packages(needs: Iterable[Need]) -> tuple[str, ...]:
    """Names of what fills these needs in any family: what to ask for before it is known."""
    return _union((family.package(need) or "" for family in FAMILIES) for need in needs)


def _union(groups: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in groups for name in group if name))


# What to ask for on any host, as above.
RUNTIMES: Final = _union(family.runtimes for family in FAMILIES)
FIREWALLS: Final = _union(family.firewalls for family in FAMILIES)
