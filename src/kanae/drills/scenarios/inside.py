"""Where drills look from inside the cluster, and what they ask there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kanae.drills.probing.client import Route
from kanae.drills.records import CONTROL, DNS, INSIDE
from kanae.errors import Refused
from kanae.layout import ports
from kanae.spec.models import Role, Spec

# What kubeadm gives the Service `kubernetes`, and the cluster's DNS: the first address and the
# tenth (GetAPIServerVirtualIP and GetDNSIP in cmd/kubeadm/app/constants).
_API, _DNS = 1, 10
_HTTPS, _DOMAIN = 443, 53


def ends(spec: Spec) -> tuple[Route, ...]:
    """The Services `kubernetes` and of the DNS, and a node's own kubelet, as seen from that node.

    The latter is no Service and is left alone by every fault: what it takes to answer is what the
    way there and the machines cost.
    """
    network = spec.networks.services
    api, dns = (str(network[number]) for number in (_API, _DNS))
    name = f"kubernetes.default.svc.{spec.networks.dns_domain}"
    return (
        Route(INSIDE, api, _HTTPS, api),
        Route(DNS, dns, _DOMAIN, name),
        Route(CONTROL, "127.0.0.1", ports.KUBELET_HEALTHZ, "127.0.0.1"),
    )


def choose(
    spec: Spec,
    hosts: Sequence[str],
    way_to: Callable[[str], Sequence[str]],
    named: str | None = None,
    prober: str | None = None,
) -> str | None:
    """The node that a run looks from: the prober's own host if that is one, else a worker, else any
    that the fault of `hosts` leaves alone, and the way to it too. None when there is none.

    way_to: the jump hosts on the way to a host. named: by the operator; raises Refused if it is not
    left alone, or is no node.
    """

    def left_alone(host: str) -> bool:
        return not set(hosts) & {host, *way_to(host)}

    if named is not None:
        if named not in spec.nodes:
            raise Refused(f"{named} is no node: the cluster's network is not there")
        if not left_alone(named):
            raise Refused(
                f"{named} cannot be looked from: the fault takes it, or the way to it",
                remedy="another host for --inside or --target, or --inside none",
            )
        return named
    workers = spec.having(Role.WORKER)
    preferred = [host for host in (prober,) if host is not None and host in spec.nodes]
    nodes = [*preferred, *workers, *(host for host in spec.nodes if host not in workers)]
    return next((host for host in nodes if left_alone(host)), None)
