"""What balancers answer at now, by their files on hosts, and what of it an edit takes away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from kanae.errors import Refused
from kanae.facts.model import HostFacts, ObjectKey, Query
from kanae.facts.workloads import PROXY, replaced
from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan.addons import RESTART_DUE
from kanae.plan.view import View
from kanae.render import haproxy, in_cluster, keepalived, nginx
from kanae.render.objects import key_of
from kanae.spec.models import Role, Spec, VirtualAddress

_Objects = Mapping[ObjectKey, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Answering:
    """virtual: addresses that keepalived moves between the balancers. ports: where balancers
    answer, on all addresses that they have."""

    virtual: Mapping[IPv4Address, VirtualAddress]
    ports: frozenset[int]


def query(spec: Spec) -> Query:
    """Of every host, since those are of interest too that are to lose what they have."""
    files = (at.keepalived_config(spec.name), at.balancer_config(spec.name))
    return Query(files=files, contents=files)


def held(cluster: str, facts: HostFacts) -> tuple[VirtualAddress, ...]:
    """The virtual addresses of a cluster that a host may have."""
    return keepalived.held(_text(facts, at.keepalived_config(cluster)))


def bound(cluster: str, facts: HostFacts) -> frozenset[int]:
    """The ports of a cluster's balancer on a host."""
    text = _text(facts, at.balancer_config(cluster))
    return haproxy.bound(text) | nginx.bound(text)


def may_have(cluster: str, facts: HostFacts, address: IPv4Address) -> bool:
    """Whether a cluster's keepalived may have given the host an address: any, where its file tells
    none."""
    there = facts.files.get(at.keepalived_config(cluster)) is not None
    told = {each.address for each in held(cluster, facts)}
    return there and (not told or address in told)


def may_bind(cluster: str, facts: HostFacts, port: int) -> bool:
    """Whether it is a cluster's balancer that has a port of the host: any, where its file tells
    none."""
    unit = facts.units.get(units.balancer(cluster))
    told = bound(cluster, facts)
    return unit is not None and unit.active == "active" and (not told or port in told)


def _text(facts: HostFacts, path: str) -> str:
    file = facts.files.get(path)
    return file.text or "" if file is not None else ""


def answering(view: View) -> Answering:
    name, hosts = view.spec.name, view.facts.hosts.values()
    virtual = {each.address: each for host in hosts for each in held(name, host)}
    return Answering(virtual, frozenset(port for host in hosts for port in bound(name, host)))


def taken_away(view: View) -> tuple[str, ...]:
    """Where balancers answer now and will not by the spec, in words."""
    spec, now = view.spec, answering(view)
    wanted = spec.balanced_ports if spec.having(Role.LOAD_BALANCER) else ()
    kept = {each.address for each in spec.virtual_addresses}
    lost = sorted(now.virtual.keys() - kept)
    addresses = [f"{address}:{port}" for address in lost for port in sorted(now.ports)]
    ports = [f"port {port} of the balancers" for port in sorted(now.ports - set(wanted))]
    return (*addresses, *ports)


def refuse(view: View) -> None:
    """Raises Refused. Of a cluster that has joined control-plane hosts."""
    now = answering(view).virtual
    _router_ids(view.spec, now)
    for each in view.spec.endpoint.former:
        if each.vrrp is not None and each.address in now:
            _as_it_was(view, each.address)
    if gone := taken_away(view):
        _still_led(view, ", ".join(gone))


def _router_ids(spec: Spec, now: Mapping[IPv4Address, VirtualAddress]) -> None:
    """Balancers change one after another: those before their turn would not understand adverts of
    the same router for another address, and each would take itself for the only one."""
    owners = {each.router_id: each.address for each in now.values()}
    for each in spec.virtual_addresses:
        owner = owners.get(each.router_id, each.address)
        if owner != each.address:
            raise Refused(
                f"{each.address} cannot have the routerId {each.router_id}, which is that of "
                f"{owner} now: balancers that change one after another would not know of each "
                "other, and both would have the address",
                remedy=f"choose another routerId for {each.address}, one that nobody has in the "
                "hosts' network",
            )


def _as_it_was(view: View, address: IPv4Address) -> None:
    """keepalived lets an address go whose router id or interface changes, and takes it up anew."""
    spec = view.spec
    [wanted] = (each for each in spec.virtual_addresses if each.address == address)
    for host in spec.having(Role.LOAD_BALANCER):
        here = view.facts.hosts.get(host)
        if here is None:
            continue
        for was in held(spec.name, here):
            interface = wanted.interface or keepalived.own_interface(
                here.base, spec.hosts[host].address
            )
            if was.address != address or (was.router_id, was.interface) == (
                wanted.router_id,
                interface,
            ):
                continue
            raise Refused(
                f"{address} would be away for a moment: {host} has it with other settings than "
                "endpoint.former says",
                remedy=f"say there what it has now: {vrrp(view, was)}",
            )


def vrrp(view: View, was: VirtualAddress) -> str:
    """What to say in endpoint.former of an address that keepalived has."""
    spec = view.spec
    own = {
        keepalived.own_interface(view.base(host), spec.hosts[host].address)
        for host in spec.having(Role.LOAD_BALANCER)
        if host in view.reachable
    }
    default = VirtualAddress(address=was.address)
    said = [f"routerId: {was.router_id}"]
    if was.advertisement_interval != default.advertisement_interval:
        said.append(f"advertisementInterval: {was.advertisement_interval:g}")
    if was.interface not in own:
        said.append(f"interface: {was.interface}")
    return f"vrrp: {{{', '.join(said)}}}"


def _still_led(view: View, gone: str) -> None:
    """What `endpoint_edits` cannot tell by what is written on hosts and in the cluster."""
    if view.unanswered:
        raise Refused(
            f"whether anybody is led to {gone} cannot be told while no API server answers",
            remedy="kanae status tells what is down; put endpoint and loadBalancer back to what "
            "they were until one does",
        )
    due = [host for host in view.joined_control_planes if view.mark(host, RESTART_DUE) is not None]
    live: _Objects = view.api.objects if view.api is not None else {}
    for key in dict.fromkeys((PROXY, *(key for key, _ in agents(view)))):
        if (key == PROXY and due) or (key in live and not replaced(live[key])):
            raise Refused(
                f"pods of {key.name} may still be led to {gone}: not all have started anew since "
                "it was told where the API is",
                remedy="apply with it in endpoint.former; `kubectl -n "
                f"{key.namespace} rollout status daemonset {key.name}` tells when they have",
            )


def agents(view: View) -> Iterator[tuple[ObjectKey, str]]:
    """Daemon sets of the pod network that go by an endpoint, as the cluster has them, and which."""
    live: _Objects = view.api.objects if view.api is not None else {}
    for key in map(key_of, view.site.manifests):
        if key.resource == PROXY.resource and key in live:
            for place in dict.fromkeys(in_cluster.led(live[key])):
                yield key, place


def notes(view: View) -> Iterator[str]:
    for each in view.spec.endpoint.former:
        yield (
            f"{each.address}:{each.port} goes on answering; take it out of endpoint.former once "
            "nobody uses it"
        )
    for place in taken_away(view):
        yield f"{place} is taken away: copies of kubeconfigs that name it lead nowhere"
