"""Edits of a living cluster's endpoint that are refused: where the new one would never answer, or
the old one would not go on until nobody uses it.

Who uses one is told by what leads there, not by what the spec or kubeadm's record says: a run may
have been cut off between the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import cast

from kanae.errors import Refused
from kanae.layout import marks
from kanae.plan.addons import ADDONS
from kanae.plan.answering import agents, answering, taken_away, vrrp
from kanae.plan.endpoint import CLUSTER_INFO, led_elsewhere, servers
from kanae.plan.view import View
from kanae.render.api_server import certificate_sans
from kanae.render.kubeadm import endpoint, held
from kanae.spec.models import Role, Spec


def refuse(view: View, live: Mapping[str, object]) -> None:
    """live: ClusterConfiguration as the cluster has it, empty where that cannot be told. Raises
    Refused. Of a cluster that has joined control-plane hosts."""
    spec = view.spec
    old = str(live.get("controlPlaneEndpoint") or endpoint(spec))
    if old != endpoint(spec) and view.unanswered:
        raise Refused(
            f"the endpoint cannot be changed while no API server answers ({old} -> "
            f"{endpoint(spec)})",
            remedy=f"set endpoint to what it was until one does: {old}",
        )
    _not_yet(view)
    _given_away(view)
    _under_its_name(view, live, old)
    for each, who in {each: who for each, who in _led(view) if each != endpoint(spec)}.items():
        _moves(view, live, each, who)


def _not_yet(view: View) -> None:
    """Hosts join by the endpoint, and so cannot be it before they have."""
    spec = view.spec
    at = [host for host in view.control_planes if _has(spec, host, spec.endpoint_address)]
    direct = spec.is_api_server(spec.endpoint_address, spec.endpoint.port)
    if not direct or not at or view.joined(at[0]):
        return
    there = view.joined_control_planes[0]
    raise Refused(
        f"the endpoint would be {at[0]}, which has not joined the cluster: nobody would answer "
        "there, and hosts join by the endpoint",
        remedy=f"set endpoint.address: {spec.hosts[there].address}, which is {there}'s",
    )


def _given_away(view: View) -> None:
    """An address that keepalived has does not become another's by being called endpoint.address."""
    spec = view.spec
    kept = {each.address for each in spec.virtual_addresses}
    if spec.endpoint_address in answering(view).virtual.keys() - kept:
        raise Refused(
            f"{spec.endpoint_address} is the virtual address of the balancers, who would give it "
            "away: nobody would answer there",
            remedy=f"say it in loadBalancer.virtualAddress.address: {spec.endpoint_address}",
        )


def _under_its_name(view: View, live: Mapping[str, object], old: str) -> None:
    """The name stays and the address changes: DNS leads everybody to the old one until somebody
    changes it, and to the new one afterwards, so both have to answer."""
    spec, was = view.spec, _address_of(live)
    if spec.endpoint.name is None or was is None or old != endpoint(spec):
        return
    before = [host for host in view.known.hosts.values() if Role.LOAD_BALANCER.value in host.roles]
    # Where DNS names several balancers, clients have the others.
    staying = {host.name for host in before} & set(spec.having(Role.LOAD_BALANCER))
    several = str(was) in {host.address for host in before} and staying
    if _answers(spec, was, spec.endpoint.port) or several or not _ours(view, was):
        return
    raise Refused(
        f"{spec.endpoint.name} leads to {was}, where nobody would answer any more once the "
        f"endpoint is at {spec.endpoint_address}: hosts and clients would be cut off until DNS "
        "has changed everywhere",
        remedy=_keep(view, was, spec.endpoint.port),
    )


def _moves(view: View, live: Mapping[str, object], old: str, who: str) -> None:
    """One who is led elsewhere must be answered there until he has moved. who: in words."""
    spec = view.spec
    host, _, port = old.rpartition(":")
    named = str(live.get("controlPlaneEndpoint", "")).rpartition(":")[0] == host
    address = _address(host) or (_address_of(live) if named else None)
    if address is None and host in _names(live) and (gone := taken_away(view)):
        raise Refused(
            f"{who} still leads to {old}, and nobody would answer any more at {', '.join(gone)}, "
            "to which that name may lead",
            remedy="apply with it in endpoint.former first; it may go once all have moved",
        )
    if address is None or not port.isdecimal() or not _ours(view, address):
        return  # somebody else's, or what was written there by hand: nothing is taken from it
    if not _answers(spec, address, int(port)):
        raise Refused(
            f"the endpoint cannot be moved from {old} to {endpoint(spec)} at once: nobody would "
            f"answer at the old one, to which {who} still leads",
            remedy=_keep(view, address, int(port)),
        )
    by_master = any(_has(spec, each, address) for each in view.control_planes)
    if host in _names(live) and host not in certificate_sans(spec) and not by_master:
        raise Refused(
            f"the endpoint moves from {old} to {endpoint(spec)}, and the API servers' certificates "
            f"would lose the name by which {who} still reaches them",
            remedy=_former(view, address, int(port))
            if _address(host) is not None
            else f"add {host} to apiServer.certSans; it may go once the endpoint has moved",
        )


def lost(view: View, host: str, port: int) -> str:
    """What to say so that the cluster goes on answering where it does now, "" where it does."""
    address = _address(host)
    if address is None or not _ours(view, address) or _answers(view.spec, address, port):
        return ""
    return _keep(view, address, port)


def _led(view: View) -> Iterator[tuple[str, str]]:
    """Where hosts, pods and clients are led, as host:port, and one who is, in words."""
    for host in view.spec.nodes:
        if view.joined(host):
            for path, url in led_elsewhere(view, host).items():
                yield url.removeprefix("https://"), f"{path} of {host}"
    proxy = ADDONS["kube-proxy"][1]
    for key, field in ((CLUSTER_INFO, "kubeconfig"), (proxy, "kubeconfig.conf")):
        live = view.api.objects.get(key) if view.api is not None else None
        for url in servers(held(live, field)):
            yield url.removeprefix("https://"), f"the ConfigMap {key.name}"
    for key, place in agents(view):
        yield place, f"the {key.resource.partition('.')[0].removesuffix('s')} {key.name}"
    for host in view.spec.having(Role.CLIENT):
        if made_for := view.mark(host, marks.KUBECONFIG + view.spec.name):
            yield made_for.partition(" ")[0], f"the kubeconfig of {host}"


def _answers(spec: Spec, address: IPv4Address, port: int) -> bool:
    """Whether the cluster of the spec does at an address that is its own now."""
    if spec.is_api_server(address, port):
        return True
    balancers = spec.having(Role.LOAD_BALANCER)
    theirs = {spec.hosts[host].address for host in balancers}
    theirs |= {each.address for each in spec.virtual_addresses}
    return bool(balancers) and address in theirs and port in spec.balanced_ports


def _ours(view: View, address: IPv4Address) -> bool:
    """Whether the cluster itself answers there now, by a host that does or by a virtual address.
    An address of the operator's own goes on whatever the spec says."""
    before = {each.address: each for each in view.known.hosts.values()}
    if host := before.get(str(address)):
        answering_ = {Role.LOAD_BALANCER.value, Role.CONTROL_PLANE.value} & set(host.roles)
        return bool(answering_)
    return address in answering(view).virtual


def _keep(view: View, address: IPv4Address, port: int) -> str:
    """What to say so that the old one goes on answering."""
    spec = view.spec
    name = next((n for n, h in view.known.hosts.items() if h.address == str(address)), None)
    if name is not None:
        before, now = view.known.hosts[name].roles, spec.hosts.get(name)
        if now is None or set(before) - {Role.WORKER.value} - {role.value for role in now.roles}:
            return (
                f"keep {name}, which has {address}, as it is ({', '.join(before)}); take it away "
                f"once all have moved. {_former(view, address, port)}"
            )
        return _former(view, address, port)
    if not spec.having(Role.LOAD_BALANCER):
        return f"keep the balancers, which have {address}. {_former(view, address, port)}"
    return _former(view, address, port)


def _former(view: View, address: IPv4Address, port: int) -> str:
    """The line of the spec by which the old one goes on answering."""
    spec, was = view.spec, answering(view).virtual.get(address)
    entry = f"address: {address}, port: {port}"
    kept = {each.address for each in spec.virtual_addresses}
    if was is not None and address not in kept:
        entry += f", {vrrp(view, was)}"
    said = (
        f"add {{{entry}}} to endpoint.former"
        if spec.endpoint.former
        else f"say endpoint.former: [{{{entry}}}]"
    )
    new = {each.router_id for each in spec.virtual_addresses if each.address != address}
    if was is not None and was.router_id in new:
        said += (
            f", and another loadBalancer.virtualAddress.routerId than {was.router_id}, which is "
            f"that of {address}"
        )
    return f"{said}; take it out again once nobody uses {address}:{port}"


def _address_of(live: Mapping[str, object]) -> IPv4Address | None:
    """Of the endpoint when it has a name: `certificate_sans` puts it behind 127.0.0.1."""
    names = _names(live)
    return _address(names[2]) if names[:2] == ["localhost", "127.0.0.1"] and names[2:] else None


def _names(live: Mapping[str, object]) -> list[str]:
    """In the API servers' certificates, beside each host's own."""
    api = cast("Mapping[str, object]", live.get("apiServer") or {})
    return [str(name) for name in cast("list[object]", api.get("certSANs") or [])]


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def _has(spec: Spec, host: str, address: IPv4Address) -> bool:
    return spec.hosts[host].address == address
