"""The API endpoint and the balancers in front of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kanae.layout import ports
from kanae.spec.models import EtcdTopology, InCluster, Role, Spec
from kanae.spec.rules.arguments import node_ports
from kanae.spec.rules.hosts import HOSTS, unusable
from kanae.spec.rules.violation import Violation
from kanae.spec.tree import Path

ENDPOINT: Path = ("endpoint",)
ADDRESS: Path = ("endpoint", "address")
PORT: Path = ("endpoint", "port")
BALANCER: Path = ("loadBalancer",)
VIRTUAL: Path = ("loadBalancer", "virtualAddress")
NODE_PORTS: Path = ("apiServer", "extraArgs", "service-node-port-range")


def endpoint_rules(spec: Spec) -> Iterator[Violation]:
    if spec.endpoint.address is not None and (wrong := unusable(spec.endpoint.address)):
        yield Violation(ADDRESS, wrong)
    if spec.endpoint.name is not None and re.fullmatch(r"[0-9.]+", spec.endpoint.name):
        yield Violation(
            ("endpoint", "name"), "expected a DNS name; an address goes to endpoint.address"
        )
    yield from _virtual_address(spec)
    yield from _told(spec)
    yield from _address(spec)
    yield from _port(spec)
    yield from _in_cluster(spec)


def _virtual_address(spec: Spec) -> Iterator[Violation]:
    balancers = spec.having(Role.LOAD_BALANCER)
    virtual = spec.load_balancer.virtual_address
    said = spec.endpoint.address
    if virtual is None:
        external = said is not None and all(host.address != said for host in spec.hosts.values())
        # While it moves, some balancers may be there for where it was.
        moving = said is not None and bool(spec.endpoint.former)
        if len(balancers) > 1 and not external and not moving and spec.endpoint.name is None:
            message = (
                f"expected virtualAddress, since {len(balancers)} hosts have the role"
                " load-balancer and clients need one address for all of them"
            )
            yield Violation(BALANCER, message, about=(HOSTS, ENDPOINT, VIRTUAL))
        return
    place = (*VIRTUAL, "address")
    if wrong := unusable(virtual.address):
        yield Violation(place, wrong)
    for name, host in spec.hosts.items():
        if host.address == virtual.address:
            message = f"expected an address that no host has; {host.address} is {name}'s"
            yield Violation(place, message, about=(("hosts", name),))
    if not balancers:
        message = "expected hosts with the role load-balancer to hold it; there are none"
        yield Violation(VIRTUAL, message, about=(HOSTS,))
    if said is not None and said != virtual.address:
        message = f"expected the virtual address {virtual.address}, or nothing, not {said}"
        yield Violation(ADDRESS, message, about=(place,))


def _told(spec: Spec) -> Iterator[Violation]:
    """Services must not take the ports by which balancers tell each other of their clients."""
    among = node_ports(spec.api_server.extra_args) or ports.NODE_PORTS
    nodes = [name for name in spec.having(Role.LOAD_BALANCER) if name in spec.nodes]
    for virtual in spec.virtual_addresses:
        port = ports.tickle(virtual.router_id)
        if nodes and port in among:
            message = (
                f"expected ports without UDP {port}, by which {nodes[0]} and the other balancers"
                f" tell each other who uses {virtual.address}"
            )
            yield Violation(NODE_PORTS, message, about=(VIRTUAL,))


def _address(spec: Spec) -> Iterator[Violation]:
    """An endpoint.address that belongs to a host must belong to one that answers on it."""
    said = spec.endpoint.address
    if said is None or spec.load_balancer.virtual_address is not None:
        return
    balancers = spec.having(Role.LOAD_BALANCER)
    answering = balancers or spec.having(Role.CONTROL_PLANE)
    role = "load-balancer" if balancers else "control-plane"
    if spec.is_api_server(said, spec.endpoint.port) and spec.balanced_ports:
        return  # the balancers are there for where it was
    for name, host in spec.hosts.items():
        if host.address == said and name not in answering:
            message = f"expected an address that answers for the API; {said} is {name}'s, which"
            yield Violation(ADDRESS, f"{message} does not hold the role {role}", about=(HOSTS,))
    alone = len(balancers) == 1 and not spec.endpoint.former
    if alone and spec.hosts[balancers[0]].address != said:
        expected = spec.hosts[balancers[0]].address
        if said not in {host.address for host in spec.hosts.values()}:
            message = (
                f"expected the load balancer's address {expected}, or nothing, not {said};"
                " for an address in front of it use endpoint.name"
            )
            yield Violation(ADDRESS, message, about=(HOSTS,))


def _in_cluster(spec: Spec) -> Iterator[Violation]:
    """A Service has addresses behind it, no names."""
    if spec.endpoint.in_cluster is InCluster.BALANCER and not spec.balancer_addresses:
        message = (
            "expected masters, since the endpoint is an API server itself; for a balancer of your"
            " own give endpoint.address, beside its name"
            if spec.is_api_server(spec.endpoint_address, spec.endpoint.port)
            else "expected masters, since no host has the role load-balancer"
        )
        yield Violation(("endpoint", "inCluster"), message, about=(HOSTS, ENDPOINT))


def _taken(spec: Spec, name: str) -> dict[int, str]:
    """Ports of a host that something other than the balancer listens on."""
    roles = spec.hosts[name].roles
    taken = {spec.ssh_of(name).port or 22: "sshd"}
    master = Role.CONTROL_PLANE in roles
    if master:
        taken |= ports.OF_CONTROL_PLANE
    if master or Role.WORKER in roles:
        taken |= ports.OF_NODE
    if Role.ETCD in roles or (master and spec.etcd_topology is EtcdTopology.STACKED):
        taken |= ports.OF_ETCD
    return taken


def port_taken(spec: Spec, port: int, place: Path) -> Iterator[Violation]:
    """Where a balancer cannot answer at a port, the first that cannot. place: where it is said."""
    for name in spec.having(Role.LOAD_BALANCER):
        about = (("hosts", name), ("ssh",), ("etcd", "topology"))
        holder = _taken(spec, name).get(port)
        if holder is not None:
            message = (
                f"expected a port that is free on {name}, which is load balancer and has"
                f" {holder} on {port}; 6440 is a usual choice"
            )
            yield Violation(place, message, about)
            break
        among = node_ports(spec.api_server.extra_args) or ports.NODE_PORTS
        if name in spec.nodes and port in among:
            message = (
                f"expected a port outside {among[0]}-{among[-1]}, which services may take on"
                f" {name}; 6440 is a usual choice"
            )
            yield Violation(place, message, about)
            break


def _port(spec: Spec) -> Iterator[Violation]:
    port = spec.endpoint.port
    balancers = spec.having(Role.LOAD_BALANCER)
    # Straight to an API server it leads only while balancers have something else to answer.
    if balancers and (port in spec.balanced_ports or not spec.balanced_ports):
        yield from port_taken(spec, port, PORT)
    first = next(iter(spec.having(Role.CONTROL_PLANE)), None)
    direct = first is not None and spec.endpoint_address == spec.hosts[first].address
    if not balancers and direct and port != ports.API_SERVER:
        message = (
            f"expected {ports.API_SERVER}, the API server's own port, since no load balancer"
            f" stands before it to answer on {port}"
        )
        yield Violation(PORT, message, about=(HOSTS, ADDRESS))
