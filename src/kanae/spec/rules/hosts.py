"""Hosts: addresses, roles, and who must be there."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from kanae.spec.models import EtcdTopology, Role, Spec
from kanae.spec.rules.violation import Violation
from kanae.spec.scalar import quoted
from kanae.spec.tree import Path

HOSTS: Path = ("hosts",)
# Told apart from the machine itself nowhere: a host of this name would be unreachable by it.
_RESERVED_NAMES = frozenset({"localhost"})


def unusable(address: IPv4Address) -> str:
    """Why no host can have an address, "" when one can."""
    if address.is_unspecified or address.is_loopback or address.is_multicast:
        return f"expected the address of a host, which {address} can never be"
    if address.is_reserved or address == IPv4Address("255.255.255.255"):
        return f"expected the address of a host; {address} is reserved"
    return ""


def host_rules(spec: Spec) -> Iterator[Violation]:
    seen: dict[IPv4Address, str] = {}
    for name, host in spec.hosts.items():
        place = ("hosts", name, "address")
        if name in _RESERVED_NAMES:
            yield Violation(("hosts", name), f"expected another name than {name}")
        if wrong := unusable(host.address):
            yield Violation(place, wrong)
        user = spec.ssh_of(name).user or ""
        if Role.CLIENT in host.roles and "\\" in user:
            message = (
                f"expected a user whose home folder is called as the user; of {quoted(user)} it"
                " cannot be told where a client's kubeconfig belongs"
            )
            yield Violation(("hosts", name, "roles"), message, about=(("ssh",),))
        first = seen.setdefault(host.address, name)
        if first != name:
            message = f"expected an address of its own; {host.address} is {first}'s already"
            yield Violation(place, message, about=(("hosts", first, "address"),))
        for index, role in enumerate(host.roles):
            if role in host.roles[:index]:
                yield Violation(("hosts", name, "roles", index), f"role {role} is given twice")
        if host.power is not None:
            commands = {"off": host.power.off, "on": host.power.on, "cycle": host.power.cycle}
            for verb, command in commands.items():
                if command == []:
                    yield Violation(("hosts", name, "power", verb), "expected a command to run")


def role_rules(spec: Spec) -> Iterator[Violation]:
    masters = spec.having(Role.CONTROL_PLANE)
    if not masters:
        message = "expected a host with the role control-plane; nobody holds it"
        yield Violation(HOSTS, message, about=(HOSTS,))
    yield from _balancer_role(spec, masters)
    yield from _etcd_role(spec)
    yield from _etcd_count(spec)


def _balancer_role(spec: Spec, masters: tuple[str, ...]) -> Iterator[Violation]:
    balancers = spec.having(Role.LOAD_BALANCER)
    said = spec.endpoint.address is not None and not any(
        spec.hosts[name].address == spec.endpoint.address for name in masters
    )
    if len(masters) > 1 and not balancers and not said:
        message = (
            f"expected a host with the role load-balancer in front of {len(masters)} control-plane"
            " hosts; or name in endpoint.address the balancer that you run yourself"
        )
        yield Violation(HOSTS, message, about=(HOSTS, ("endpoint",)))


def _etcd_role(spec: Spec) -> Iterator[Violation]:
    holders = spec.having(Role.ETCD)
    topology = spec.etcd_topology
    place = ("etcd", "topology")
    if topology is EtcdTopology.EXTERNAL and not holders:
        message = "expected hosts with the role etcd for the topology external; nobody holds it"
        yield Violation(place, message, about=(HOSTS,))
    if topology is EtcdTopology.STACKED:
        for name in holders:
            message = (
                "the role etcd is for the topology external; with stacked, etcd runs on every"
                " control-plane host without it"
            )
            yield Violation(("hosts", name, "roles"), message, about=(place,))


def _etcd_count(spec: Spec) -> Iterator[Violation]:
    external = spec.etcd_topology is EtcdTopology.EXTERNAL
    members = spec.etcd_hosts
    count = len(members)
    if count and count % 2 == 0:
        role = "etcd" if external else "control-plane (etcd is stacked on them)"
        message = (
            f"expected an odd number of etcd members; {count} hosts have the role {role}, and"
            f" {count} members survive no more losses than {count - 1}"
        )
        about = (HOSTS, ("etcd", "topology"))
        yield Violation(("hosts", members[-1], "roles"), message, about)
