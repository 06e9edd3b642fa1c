"""The endpoint's name, as the hosts that use it resolve it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address

from kanae.facts.resolving import PATIENCE
from kanae.spec.models import Role, Spec
from kanae.verify.model import Finding, Subject, error


def named(subject: Subject) -> Iterator[Finding]:
    """kanae writes the name nowhere but into kubeconfigs and certificates: who resolves it is the
    operator's. A kubelet that cannot reach it never joins. What the name has of IPv6 besides is not
    judged: the spec does not know such an address of a balancer.
    """
    spec = subject.spec
    name = spec.endpoint.name
    if name is None:
        return
    wanted = _addresses(spec)
    words = " or ".join(sorted(map(str, wanted)))
    for host, facts in subject.hosts(*USERS):
        if name not in facts.names:
            continue  # it cannot be told
        found = facts.names[name]
        if found is None:
            yield error(
                "endpoint-name",
                host,
                f"{name} was not resolved within {PATIENCE} s",
                "see the name servers in its /etc/resolv.conf: one of them does not answer",
            )
            continue
        said = {address for text in found if isinstance(address := ip_address(text), IPv4Address)}
        if not said:
            yield error(
                "endpoint-name",
                host,
                f"{name} is not resolved" + (" to an IPv4 address" if found else ""),
                f"let it lead to {words} in the DNS that its /etc/resolv.conf names, or in its "
                "/etc/hosts; or take endpoint.name out of the spec",
            )
        elif others := said - wanted:
            yield error(
                "endpoint-name",
                host,
                f"{name} leads to {', '.join(sorted(map(str, others)))}, and the endpoint is at "
                f"{words}",
                "put right DNS, or its /etc/hosts, which comes before; or endpoint.address in the "
                "spec",
            )


# kubelet's and kubectl's configuration name the endpoint.
USERS = (Role.CONTROL_PLANE, Role.WORKER, Role.CLIENT)


def _addresses(spec: Spec) -> frozenset[IPv4Address]:
    """Where the name may lead: with several balancers and no address before them, to each; and
    while the endpoint moves, to where it was."""
    former = frozenset(each.address for each in spec.endpoint.former)
    balancers = spec.having(Role.LOAD_BALANCER)
    alone = spec.endpoint.address is None and spec.load_balancer.virtual_address is None
    if alone and balancers:
        return former | frozenset(spec.hosts[host].address for host in balancers)
    return former | {spec.endpoint_address}
