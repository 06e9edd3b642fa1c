"""Whom pods reach by the Service `kubernetes`: the balancer, and then kanae says who is behind it;
or the masters, who then say so themselves.

In between no request of a pod fails (see `render.in_cluster` for what API servers do by
themselves). To the balancer: it answers; API servers are kept off the objects; these name the
balancer; only then does one API server after another get its new argument. Without the policy each
would take its own address out as it stops, the others put the masters' back within 10 s, and the
last one leave nobody. Back: the policy is still there when API servers get their old argument, so
that none of them puts masters' addresses behind the balancer's port; then the objects name the
masters, and last the policy goes (`hand_back`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import Any, cast

from kanae.errors import Refused
from kanae.facts.model import Query
from kanae.layout import ports
from kanae.plan import endpoint_edits, objects
from kanae.plan.actions import AwaitApi, AwaitGuard
from kanae.plan.draft import Draft, StepId
from kanae.plan.view import View
from kanae.render import in_cluster
from kanae.render.documents import Document
from kanae.render.objects import applied, key_of
from kanae.spec.models import InCluster, Role, Spec

STAGE = "in-cluster"


def query(spec: Spec, host: str) -> Query:
    if Role.CONTROL_PLANE not in spec.hosts[host].roles:
        return Query()
    documents = (*in_cluster.guard(), *in_cluster.named((), 0))
    wanted = (*in_cluster.guard(), *_balanced(spec)) if by_balancer(spec) else ()
    return Query(
        cluster=True, objects=tuple(map(key_of, documents)), applied=tuple(map(applied, wanted))
    )


def refuse(view: View) -> None:
    """Raises Refused where pods are led to a balancer that would go before they are led elsewhere.
    A host that is no balancer any more, or leaves, goes after that."""
    spec = view.spec
    staying = spec.having(Role.LOAD_BALANCER)
    later = {host.address for name, host in view.known.hosts.items() if name not in staying}
    for address, port in behind(view):
        if address in later:
            continue
        if remedy := endpoint_edits.lost(view, address, port):
            raise Refused(
                f"pods reach the API by the balancer at {address}:{port}, which would go before "
                "they can be led elsewhere",
                remedy=remedy,
            )
    if by_balancer(spec) and not spec.balancer_addresses:
        raise Refused(
            "no balancer would be left to which pods could be led",
            remedy="set endpoint.inCluster: masters and apply first",
        )


def plan(draft: Draft) -> None:
    """What comes before API servers change: they are kept off the objects, which then name the
    balancer if they are to. Nothing while a living cluster's API does not answer."""
    view = draft.view
    to_balancer = by_balancer(view.spec)
    if view.unanswered or not (to_balancer or ours(view)):
        return
    named = _balanced(view.spec) if to_balancer else ()
    living = bool(view.joined_control_planes)
    changes = any(objects.compared(view.api, each) is not None for each in named)
    guard = objects.apply(
        draft,
        STAGE,
        "guard",
        "keep API servers from saying who is behind the Service kubernetes",
        in_cluster.guard(),
        needs=[draft.at.init],
    )
    # An earlier run may have ended between the policy and this.
    if living and (guard is not None or changes or not to_balancer):
        guard = _await_guard(draft, guard)
    answers = list(_answering(draft)) if living else []
    step = objects.apply(
        draft,
        STAGE,
        "balancer",
        "lead pods to the balancer",
        named,
        needs=[draft.at.init, guard, *draft.at.balancers, *answers],
    )
    draft.at.in_cluster = step or guard


def by_balancer(spec: Spec) -> bool:
    return spec.in_cluster is InCluster.BALANCER


def ours(view: View) -> bool:
    """Whether API servers do not say who is behind the Service, or what they say cannot come right
    by itself: they are kept from it, or a port is there that they would leave."""
    api = view.api
    kept = api is not None and any(key in api.objects for key in in_cluster.guard_keys())
    return kept or any(port != ports.API_SERVER for _, port in behind(view))


def behind(view: View) -> tuple[tuple[str, int], ...]:
    """Addresses and ports that are behind the Service now."""
    live = view.api.objects.get(in_cluster.SLICE) if view.api is not None else None
    return tuple(_pairs(live or {}))


def _pairs(live: Mapping[str, object]) -> Iterator[tuple[str, int]]:
    found = cast("Mapping[str, Any]", live)
    for port in found.get("ports") or ():
        for endpoint in found.get("endpoints") or ():
            for address in endpoint.get("addresses") or ():
                yield str(address), int(port.get("port") or 0)


def _balanced(spec: Spec) -> tuple[Document, ...]:
    addresses = spec.balancer_addresses
    return in_cluster.named(addresses, spec.endpoint.port) if addresses else ()


def _await_guard(draft: Draft, guard: StepId) -> StepId:
    """Servers that do not answer yet learn of it before they write anything."""
    view = draft.view
    hosts = [host for host in view.joined_control_planes if view.api_ready(host)]
    servers = [f"https://{view.spec.hosts[host].address}:{ports.API_SERVER}" for host in hosts]
    if not servers:
        return guard
    return draft.builder.add(
        draft.via,
        STAGE,
        "guarded",
        "wait until every API server keeps to it",
        AwaitGuard(tuple(servers)),
        needs=[guard],
    )


def _answering(draft: Draft) -> Iterator[StepId]:
    """An address is named when an API server answers there; one that is named already may be dead.
    The certificate need not have it: pods ask for the Service's."""
    spec = draft.view.spec
    named = behind(draft.view)
    new = [each for each in spec.balancer_addresses if (str(each), spec.endpoint.port) not in named]

    def answer(address: IPv4Address) -> StepId:
        return draft.builder.add(
            draft.via,
            STAGE,
            f"answers-{address}",
            f"wait for the balancer at {address}",
            AwaitApi(str(address), spec.endpoint.port, in_cluster.SERVICE),
            needs=draft.at.balancers,
        )

    return map(answer, new)
