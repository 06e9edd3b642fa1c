"""What kanae needs of a distribution, and the shape of a row of `families`. Names only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Need(StrEnum):
    """What comes with packages of the distribution; the value is what people call it."""

    CONNTRACK = "conntrack"
    ETHTOOL = "ethtool"
    IPTABLES = "iptables"
    NFTABLES = "nftables"
    SOCAT = "socat"
    CURL = "curl"
    HAPROXY = "haproxy"
    NGINX = "nginx"
    NGINX_STREAM = "nginx's stream module"
    KEEPALIVED = "keepalived"
    PROCPS = "procps"
    PERL = "perl"
    PERL_SOCKET = "perl's Socket module"


# Modules are no programs: where they lie is for the family to say, or for what loads them to know.
_MODULES: Final = (Need.NGINX_STREAM, Need.PERL_SOCKET)
# Need -> the program on PATH by which a host shows that it has it. The same everywhere.
PROGRAMS: Final[Mapping[Need, str]] = {
    **{need: need.value for need in Need if need not in _MODULES},
    Need.NFTABLES: "nft",
    Need.PROCPS: "pgrep",
}


@dataclass(frozen=True, slots=True)
class Supply:
    """How a family fills one need.

    package: None where nothing is installed for it; `why` then says why not. path: where its
    program or library lies, for needs that kanae's files name by path. starts: units of the vendor
    that run as soon as the package is installed. user: whose rights its processes are given, where
    the package makes that user and families name it differently.
    """

    package: str | None
    path: str = ""
    starts: tuple[str, ...] = ()
    user: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Manager:
    """A package manager, as POSIX sh commands; names of packages are put behind them.

    program: by which a host shows that it has it. install: asks nothing, starts no dialogue, waits
    while another holds its lock. refresh: reads the lists of packages anew; takes no names.
    query: begins with the name of its program; prints `installed NAME VERSION` for each package
    that is there, and no such line for one that is not or that nobody knows.
    """

    program: str
    install: str
    refresh: str
    query: str


@dataclass(frozen=True, slots=True)
class Family:
    """Distributions that are alike in all that kanae cares about.

    ids: ID in /etc/os-release. manager: None when it is not known. supplies: every need, or of an
    unknown family only those for which a program on PATH is enough. environment: folder of the
    environment files of services. runtimes: packages that bring a container runtime. firewalls:
    units of firewall managers. python: how an operator gets a Python that drills can use.
    tried: releases on which kanae's tests run, as `ID VERSION_ID`; of others nothing is proven.
    """

    name: str
    ids: tuple[str, ...]
    manager: Manager | None
    supplies: Mapping[Need, Supply]
    modprobe: str
    environment: str
    runtimes: tuple[str, ...] = ()
    firewalls: tuple[str, ...] = ()
    python: str = ""
    tried: tuple[str, ...] = ()

    def package(self, need: Need) -> str | None:
        supply = self.supplies.get(need)
        return None if supply is None else supply.package

    def path(self, need: Need) -> str:
        """For kanae's files. Raises LookupError when the family's place for it is not known."""
        supply = self.supplies.get(need)
        if supply is None or not supply.path:
            raise LookupError(f"the family {self.name} does not say where {need} is")
        return supply.path
