"""What other pod networks, or earlier clusters, have left for this one to stumble over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_interface
from typing import cast

from kanae.facts.model import Interface
from kanae.layout import paths as at
from kanae.spec.models import PodNetworkProvider
from kanae.verify.model import Finding, Subject, error, warning

# What containerd reads in its folder (go-cni's loadFromConfDir), the first one in order of names.
_READ = (".conf", ".conflist", ".json")
# The files that the networks which kanae delivers write themselves.
_OWN = {
    PodNetworkProvider.FLANNEL: "10-flannel.conflist",
    PodNetworkProvider.WEAVE: "10-weave.conflist",
}
# Links that pod networks and kube-proxy make, by name. docker's and podman's are others.
_LINKS = re.compile(
    r"cni0|flannel\.\d+|flannel-v6\.\d+|flannel-wg(-v6)?|weave|vxlan-6784|datapath|cali[0-9a-f]{11}"
    r"|vxlan(-v6)?\.calico|bpfin\.cali|bpfout\.cali|cilium_(host|net|vxlan|geneve|wg0)"
    r"|kube-ipvs0|kube-bridge|nodelocaldns|antrea-gw0|ovn-k8s-mp0"
)


def files(subject: Subject) -> Iterator[Finding]:
    """containerd takes the first file, whoever wrote it: before the pod network of the spec has
    written its own any file is first, and pods that start then are of that other network for good.
    """
    provider = subject.spec.networks.pod_network.provider
    own = _OWN.get(provider, "")
    for host, facts in subject.nodes():
        known = {own} if subject.ours(host) else set[str]()
        foreign = [
            name
            for name in facts.folders.get(at.CNI_CONF, ())
            if name.endswith(_READ) and name not in known
        ]
        if subject.joined(host):
            # A plugin that calls ours may well have been put before it since.
            if before := [name for name in foreign if own and name < own]:
                yield warning(
                    "pod-network",
                    host,
                    f"{_all(before)}: containerd takes {before[0]} and not {own}",
                    "remove it, unless it is there on purpose and calls the pod network itself",
                )
        elif foreign:
            evidence = f"{_all(foreign)}: containerd takes {foreign[0]} for the pod network"
            remedy = "move it away: it is another network's, or of an earlier cluster"
            make = error if own else warning
            yield make("pod-network", host, evidence, remedy)


def _all(names: list[str]) -> str:
    return f"{at.CNI_CONF} holds {', '.join(names)}"


def links(subject: Subject) -> Iterator[Finding]:
    """The bridge plugin refuses a bridge with another address than its own, flannel a link of
    other settings; kube-ipvs0 keeps the services of an earlier cluster on the host."""
    for host, facts in subject.nodes():
        found = [each for each in facts.base.interfaces if _LINKS.fullmatch(each.name)]
        if subject.ours(host):
            network = _of_node(subject, host)
            found = [each for each in found if each.name == "cni0" and _outside(each, network)]
        if found:
            names = ", ".join(map(_shown, found))
            yield error(
                "pod-network",
                host,
                f"it has {names} of another pod network or an earlier cluster",
                "make sure that nothing uses them, then "
                + "; ".join(f"ip link delete {each.name}" for each in found)
                + " (or restart the host)",
            )


def _of_node(subject: Subject, host: str) -> IPv4Network:
    """The node's part of the pod network, else all of it."""
    node = subject.facts.api.nodes.get(host) if subject.facts.api is not None else None
    spec = cast("dict[str, object]", node.get("spec") or {}) if node is not None else {}
    try:
        return IPv4Network(str(spec.get("podCIDR", "")))
    except ValueError:
        return subject.spec.networks.pods


def _outside(link: Interface, network: IPv4Network) -> bool:
    addresses = [ip_interface(each).ip for each in link.addresses]
    return any(each.version == 4 and each not in network for each in addresses)


def _shown(link: Interface) -> str:
    return f"{link.name} ({', '.join(link.addresses)})" if link.addresses else link.name


def remains(subject: Subject) -> Iterator[Finding]:
    yield from files(subject)
    yield from links(subject)
