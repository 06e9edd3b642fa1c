"""Pod, service and host networks: sizes, and who may not overlap whom."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from kanae.spec.models import PodNetworkProvider, Spec
from kanae.spec.rules.violation import Violation
from kanae.spec.scalar import quoted
from kanae.spec.tree import Path

PODS: Path = ("networks", "pods")
SERVICES: Path = ("networks", "services")
# Bounds that kubeadm enforces, as prefix lengths for IPv4: at least 10 addresses and at most 20
# bits for services (MinimumAddressesInServiceSubnet, MaximumBitsForServiceSubnet), and a node's
# part at most 16 bits longer than the whole for pods (PodSubnetNodeMaskMaxDiff), all in
# cmd/kubeadm/app/constants/constants.go of v1.37.2.
SERVICES_WIDEST, SERVICES_NARROWEST = 12, 28
PODS_BITS_ABOVE_NODE = 16
# Networks that no pod or service can have: RFC 6890, RFC 5771, RFC 1112.
_UNFIT = (
    (IPv4Network("0.0.0.0/8"), "a host's own"),
    (IPv4Network("127.0.0.0/8"), "loopback"),
    (IPv4Network("169.254.0.0/16"), "link-local"),
    (IPv4Network("224.0.0.0/4"), "multicast"),
    (IPv4Network("240.0.0.0/4"), "reserved"),
)
# kube-controller-manager's --node-cidr-mask-size.
NODE_MASK_ARGUMENT = "node-cidr-mask-size"
NODE_MASK_DEFAULT = 24


def network_rules(spec: Spec) -> Iterator[Violation]:
    pods, services = spec.networks.pods, spec.networks.services
    if pods.overlaps(services):
        message = f"expected a network apart from the pods' {pods}, which {services} overlaps"
        yield Violation(SERVICES, message, about=(PODS,))
    if not SERVICES_WIDEST <= services.prefixlen <= SERVICES_NARROWEST:
        message = f"expected a network between /{SERVICES_WIDEST} and /{SERVICES_NARROWEST}"
        yield Violation(SERVICES, f"{message}, not /{services.prefixlen}")
    yield from _routable(pods, PODS)
    yield from _routable(services, SERVICES)
    yield from _pods_size(spec)
    for name, host in spec.hosts.items():
        yield from _outside(spec, host.address, ("hosts", name, "address"))
    virtual = spec.load_balancer.virtual_address
    if virtual is not None:
        yield from _outside(spec, virtual.address, ("loadBalancer", "virtualAddress", "address"))
    for number, former in enumerate(spec.endpoint.former):
        yield from _outside(spec, former.address, ("endpoint", "former", number, "address"))


def _routable(network: IPv4Network, place: Path) -> Iterator[Violation]:
    for unfit, words in _UNFIT:
        if network.overlaps(unfit):
            message = f"expected a network of ordinary addresses; {network} is in {unfit}, {words}"
            yield Violation(place, message)


def _outside(spec: Spec, address: IPv4Address, place: Path) -> Iterator[Violation]:
    networks = ((PODS, "pod", spec.networks.pods), (SERVICES, "service", spec.networks.services))
    for path, kind, network in networks:
        if address in network:
            message = f"expected an address outside the {kind} network; {address} is in {network}"
            yield Violation(place, message, about=(path,))


def _pods_size(spec: Spec) -> Iterator[Violation]:
    argument = ("controllerManager", "extraArgs", NODE_MASK_ARGUMENT)
    text = spec.controller_manager.extra_args.get(NODE_MASK_ARGUMENT, str(NODE_MASK_DEFAULT))
    mask = int(text) if text.isascii() and text.isdecimal() and len(text) < 3 else 0
    if not 1 <= mask <= 30:
        yield Violation(argument, f"expected a prefix length between 1 and 30, not {quoted(text)}")
        return
    pods = spec.networks.pods
    widest = max(mask - PODS_BITS_ABOVE_NODE, 1)
    if pods.prefixlen < widest or pods.prefixlen > mask:
        message = f"expected a network between /{widest} and /{mask}, not /{pods.prefixlen}"
        yield Violation(PODS, f"{message}; each node gets a /{mask} of it", about=(argument,))
        return
    room = 1 << (mask - pods.prefixlen)
    if room < len(spec.nodes):
        message = (
            f"expected room for {len(spec.nodes)} nodes with a /{mask} each; {pods} has {room}"
        )
        yield Violation(PODS, message, about=(argument, ("hosts",)))


def pod_network_rules(spec: Spec) -> Iterator[Violation]:
    network = spec.networks.pod_network
    place = ("networks", "podNetwork", "manifests")
    provider = ("networks", "podNetwork", "provider")
    by_manifests = network.provider is PodNetworkProvider.MANIFESTS
    if by_manifests and not network.manifests:
        yield Violation(place, "expected at least one manifest for the provider manifests")
    if network.manifests and not by_manifests:
        message = f"manifests are for the provider manifests, not {network.provider}"
        yield Violation(place, message, about=(provider,))
