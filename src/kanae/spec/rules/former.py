"""Where the endpoint was: who goes on answering there."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from kanae.layout import ports
from kanae.spec.models import FormerEndpoint, Role, Spec, Vrrp
from kanae.spec.rules.endpoint import ENDPOINT, VIRTUAL, port_taken
from kanae.spec.rules.hosts import HOSTS, unusable
from kanae.spec.rules.violation import Violation
from kanae.spec.tree import Path

FORMER: Path = ("endpoint", "former")


def former_rules(spec: Spec) -> Iterator[Violation]:
    if not spec.having(Role.LOAD_BALANCER, Role.CONTROL_PLANE):
        return  # nobody has the endpoint, which is told
    said = {(spec.endpoint_address, spec.endpoint.port): "the endpoint"}
    ids: dict[int, IPv4Address] = {}
    moved: dict[IPv4Address, Path] = {}
    direct = spec.is_api_server(spec.endpoint_address, spec.endpoint.port)
    judged = set[int]() if direct else {spec.endpoint.port}
    if (virtual := spec.load_balancer.virtual_address) is not None:
        ids[virtual.router_id], moved[virtual.address] = virtual.address, VIRTUAL
    for number, former in enumerate(spec.endpoint.former):
        place = (*FORMER, number)
        if wrong := unusable(former.address):
            yield Violation((*place, "address"), wrong)
        first = said.setdefault((former.address, former.port), f"endpoint.former[{number}]")
        if first != f"endpoint.former[{number}]":
            message = f"expected another address or port than those of {first}"
            yield Violation(place, message, about=(ENDPOINT, VIRTUAL, HOSTS))
        if former.vrrp is not None:
            yield from _vrrp(spec, former, former.vrrp, (*place, "vrrp"), ids, moved)
        yield from _answered(spec, former, place)
        if former.port not in judged and not spec.is_api_server(former.address, former.port):
            judged.add(former.port)
            yield from port_taken(spec, former.port, (*place, "port"))


def _vrrp(
    spec: Spec,
    former: FormerEndpoint,
    vrrp: Vrrp,
    place: Path,
    ids: dict[int, IPv4Address],
    moved: dict[IPv4Address, Path],
) -> Iterator[Violation]:
    """ids: VRRP's of the addresses before this one, which is added; moved: where each is said."""
    for name, host in spec.hosts.items():
        if host.address == former.address:
            message = f"expected no vrrp, since {former.address} is {name}'s own address"
            yield Violation(place, message, about=(HOSTS,))
    if not spec.having(Role.LOAD_BALANCER):
        message = f"expected hosts with the role load-balancer to hold {former.address}"
        yield Violation(place, f"{message}; there are none", about=(HOSTS,))
    before = moved.setdefault(former.address, place)
    if before != place:
        where = "loadBalancer.virtualAddress" if before == VIRTUAL else "another one before it"
        message = f"expected no vrrp, since {where} says that of {former.address}"
        yield Violation(place, message, about=(before,))
    elif (other := ids.setdefault(vrrp.router_id, former.address)) != former.address:
        message = (
            f"expected a routerId of its own; {other} has {vrrp.router_id}, and VRRP tells"
            " addresses that come and go apart by it: keep the former one's and choose another for"
            " the new one"
        )
        yield Violation((*place, "routerId"), message, about=(VIRTUAL, FORMER))


def _answered(spec: Spec, former: FormerEndpoint, place: Path) -> Iterator[Violation]:
    """A host's own address must be that of one who answers there."""
    for name, host in spec.hosts.items():
        if host.address != former.address or Role.LOAD_BALANCER in host.roles:
            continue
        if Role.CONTROL_PLANE not in host.roles:
            message = (
                f"expected an address that answers for the API; {former.address} is {name}'s,"
                " which does not hold the role load-balancer"
            )
            yield Violation((*place, "address"), message, about=(HOSTS,))
        elif former.port != ports.API_SERVER:
            message = (
                f"expected {ports.API_SERVER}, the API server's own port, since {name} is no load"
                f" balancer that could answer on {former.port}"
            )
            yield Violation((*place, "port"), message, about=(HOSTS,))
