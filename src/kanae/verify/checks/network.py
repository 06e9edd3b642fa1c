"""Addresses, routes, ports, firewalls."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, ip_address
from itertools import groupby
from operator import itemgetter

from kanae.facts.model import HostFacts, Listener
from kanae.layout import families, ports
from kanae.plan.answering import may_bind
from kanae.spec.models import EtcdTopology, Role, Spec
from kanae.verify.model import Finding, Subject, error, warning

# Links that pod networks make on a node, by how their names begin.
POD_LINKS = (
    "cni", "flannel", "weave", "vethwe", "cali", "vxlan.calico", "tunl", "cilium", "lxc", "veth",
    "kube-ipvs", "nodelocaldns",
)  # fmt: skip


def address(subject: Subject) -> Iterator[Finding]:
    for host, facts in subject.hosts():
        wanted = str(subject.spec.hosts[host].address)
        own = [c.partition("/")[0] for i in facts.base.interfaces for c in i.addresses]
        if wanted not in own:
            yield error(
                "address",
                host,
                f"no interface has {wanted}",
                "set the address that the host itself has; reach it through ssh.jump or an "
                "ssh_config when it is behind another",
            )
    for host, facts in subject.nodes():
        if all(route.destination != "default" for route in facts.base.routes):
            remedy = "pods reach service addresses through it: ip route add default via GATEWAY"
            yield warning("address", host, "there is no default route", remedy)


def overlap(subject: Subject) -> Iterator[Finding]:
    networks = subject.spec.networks
    for host, facts in subject.nodes():
        for kind, wanted in (("pod", networks.pods), ("service", networks.services)):
            for route in facts.base.routes:
                if route.destination == "default" or route.interface.startswith(POD_LINKS):
                    continue
                if wanted.overlaps(IPv4Network(route.destination)):
                    yield error(
                        "networks",
                        host,
                        f"the {kind} network {wanted} overlaps the route to {route.destination} "
                        f"on {route.interface or 'no interface'}",
                        f"choose another networks.{kind}s",
                    )


def listening(subject: Subject) -> Iterator[Finding]:
    for host, facts in subject.hosts():
        wanted = _wanted(subject.spec, host)
        for listener in facts.base.listeners:
            purpose = wanted.get((listener.protocol, listener.port))
            if purpose is None or _ours(subject, facts, listener):
                continue
            if _apart(listener, subject.spec.hosts[host].address):
                continue
            holder = listener.process or "a process whose name cannot be seen"
            yield error(
                "ports",
                host,
                f"port {listener.port}, for {purpose}, is held by {holder} on {listener.address}",
                f"stop it: ss -lp{listener.protocol[0]}n 'sport = :{listener.port}' tells its "
                "process",
            )


def _wanted(spec: Spec, host: str) -> dict[tuple[str, int], str]:
    """Protocol and port -> what for."""
    roles = spec.hosts[host].roles
    balancer = Role.LOAD_BALANCER in roles
    wanted: dict[int, str] = {}
    if host in spec.nodes:
        wanted |= ports.OF_NODE
    if Role.CONTROL_PLANE in roles:
        wanted |= ports.OF_CONTROL_PLANE
        if spec.etcd_topology is EtcdTopology.EXTERNAL:
            wanted[ports.ETCD_BALANCER] = "the balancer before etcd"
    if spec.etcd_role in roles:
        wanted |= ports.OF_ETCD
    if balancer:
        wanted |= dict.fromkeys(spec.balanced_ports, "the balancer")
    told = {ports.tickle(each.router_id) for each in spec.virtual_addresses if balancer}
    return {
        **{("tcp", port): purpose for port, purpose in wanted.items()},
        **{("udp", port): "what balancers tell each other" for port in told},
    }


# The kernel cuts names of processes to 15 characters.
_PROCESSES = {
    "kubelet", "kube-proxy", "kube-apiserver", "kube-controller", "kube-scheduler", "etcd",
    "haproxy", "nginx", "kanae-tickle",
}  # fmt: skip


def _ours(subject: Subject, facts: HostFacts, listener: Listener) -> bool:
    balanced = listener.port in subject.spec.balanced_ports
    # On a host of several clusters another one's balancer may have it.
    if balanced and may_bind(subject.spec.name, facts, listener.port):
        return True
    return subject.ours(facts.host) and listener.process in _PROCESSES


def _apart(listener: Listener, own: IPv4Address) -> bool:
    """Whether a listener has an address that is neither the host's own nor loopback nor all."""
    try:
        at_address = ip_address(listener.address.partition("%")[0])
    except ValueError:
        return False  # "*"
    return not (at_address.is_loopback or at_address.is_unspecified or at_address == own)


def firewall(subject: Subject) -> Iterator[Finding]:
    for host, facts in subject.hosts():
        for name in families.FIREWALLS:
            unit = facts.units.get(name)
            if unit is not None and unit.active == "active":
                wanted = sorted(_wanted(subject.spec, host))
                opened = f"open {_named(wanted)}" if wanted else "see its rules"
                remedy = f"{opened} and the pod network's ports, or stop and disable it"
                yield warning("firewall", host, f"{name} is active", remedy)


def _named(wanted: list[tuple[str, int]]) -> str:
    """TCP 6443, 10250 and UDP 11251, for example."""
    groups = groupby(wanted, key=itemgetter(0))
    return " and ".join(
        f"{protocol.upper()} {', '.join(str(port) for _, port in group)}"
        for protocol, group in groups
    )
