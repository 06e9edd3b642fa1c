"""What the hosts of a cluster need of each other on the network: who has to reach which port."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from kanae.facts.ports import Outcome, Port
from kanae.layout import ports
from kanae.spec.models import PodNetworkProvider, Role, Spec

# Port -> what it carries. flannel's VXLAN (render/flannel.py leaves the kernel's port of Linux);
# Weave Net's control and its two data ports (its documentation, "firewall").
_NETWORKS = {
    PodNetworkProvider.FLANNEL: {Port(8472, "udp"): "pods (VXLAN)"},
    PodNetworkProvider.WEAVE: {
        Port(6783, "tcp"): "Weave Net",
        Port(6783, "udp"): "pods (Weave Net)",
        Port(6784, "udp"): "pods (Weave Net)",
    },
}
# The protocol's number is IANA's (RFC 5798 5.1.1.4).
_VRRP = Port(112, "ip")


# By how many other nodes each is reached, of those that carry pods: all of them in a small cluster.
_OTHERS = 40


@dataclass(frozen=True, slots=True)
class Path:
    """source has to reach target's port, which is for `purpose`."""

    source: str
    target: str
    port: Port
    purpose: str


@dataclass(frozen=True, slots=True)
class Tried:
    """outcomes: of each path that was tried. untried: hosts that lack a program to try some path
    with, or to open ports with."""

    outcomes: tuple[tuple[Path, Outcome], ...] = ()
    untried: tuple[str, ...] = ()


def needed(spec: Spec) -> Iterator[Path]:
    """All paths between different hosts."""
    masters = spec.having(Role.CONTROL_PLANE)
    clients = spec.having(Role.CONTROL_PLANE, Role.WORKER, Role.CLIENT)
    balancers = spec.having(Role.LOAD_BALANCER)
    etcd_client, etcd_peer = Port(ports.ETCD_CLIENT, "tcp"), Port(ports.ETCD_PEER, "tcp")
    api, kubelet = Port(ports.API_SERVER, "tcp"), Port(ports.KUBELET, "tcp")
    # The service `kubernetes` leads every pod straight to the API servers.
    yield from _each((*spec.nodes, *balancers), masters, api, "the API server")
    for port in spec.balanced_ports:
        yield from _each(clients, balancers, Port(port, "tcp"), "the balancer")
    yield from _each(masters, spec.nodes, kubelet, "kubelet")
    yield from _each(masters, spec.etcd_hosts, etcd_client, "etcd")
    yield from _each(spec.etcd_hosts, spec.etcd_hosts, etcd_peer, "etcd's members")
    if spec.virtual_addresses:
        yield from _each(balancers, balancers, _VRRP, "VRRP")
    for virtual in spec.virtual_addresses:
        told = Port(ports.tickle(virtual.router_id), "udp")
        yield from _each(balancers, balancers, told, f"clients of {virtual.address}")
    network = _NETWORKS.get(spec.networks.pod_network.provider, {})
    for carrying, purpose in network.items():
        for place, node in enumerate(spec.nodes):
            others = (*spec.nodes[place + 1 :], *spec.nodes[:place])
            yield from _each(others[:_OTHERS], (node,), carrying, purpose)


def _each(
    sources: Collection[str], targets: Collection[str], port: Port, purpose: str
) -> Iterator[Path]:
    for target in targets:
        for source in dict.fromkeys(sources):
            if source != target:
                yield Path(source, target, port, purpose)
