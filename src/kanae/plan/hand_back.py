"""What follows when API servers have their argument. See `in_cluster`.

The Service `kubernetes` is handed back to them: the objects name the masters, and then nothing
keeps API servers off them any more. A balancer that is not named any more, whichever way, goes when
no node leads pods there.
"""

from __future__ import annotations

from kanae.layout import ports
from kanae.plan import objects
from kanae.plan.actions import AwaitProxies, DeleteObjects
from kanae.plan.balancer import only_loses
from kanae.plan.draft import Draft
from kanae.plan.in_cluster import STAGE, behind, by_balancer, ours
from kanae.plan.model import Change, Verb
from kanae.render import in_cluster


def plan(draft: Draft) -> None:
    _to_masters(draft)
    view = draft.view
    going = {host.address for host in view.leaving}
    going |= {str(view.spec.hosts[host].address) for host in draft.hosts if only_loses(view, host)}
    gone = tuple(f"{address}:{port}" for address, port in behind(view) if address in going)
    draft.at.let_go = [draft.at.in_cluster]
    if draft.at.in_cluster is not None and gone:
        mode = view.spec.kube_proxy.mode.value
        draft.at.let_go += [
            draft.builder.add(
                host,
                STAGE,
                "let-go",
                "wait until pods are led to the others",
                AwaitProxies(mode, gone),
                needs=[draft.at.in_cluster],
            )
            for host in view.spec.nodes
            if host in draft.hosts and view.joined(host)
        ]


def _to_masters(draft: Draft) -> None:
    view = draft.view
    if view.unanswered or by_balancer(view.spec) or not ours(view):
        return
    serving = [
        view.spec.hosts[host].address
        for host in view.joined_control_planes
        if host == draft.via or view.api_ready(host)
    ]
    named = objects.apply(
        draft,
        STAGE,
        "masters",
        "lead pods to the masters",
        in_cluster.named(serving, ports.API_SERVER),
        needs=[draft.at.in_cluster, *draft.at.reconfigured],
    )
    keys = in_cluster.guard_keys()
    draft.at.in_cluster = draft.builder.add(
        draft.via,
        STAGE,
        "hand-back",
        "let API servers say who is behind the Service kubernetes",
        DeleteObjects(keys),
        needs=[draft.at.in_cluster, named, *draft.at.reconfigured],
        changes=[Change(Verb.DELETE, key.resource, key.name) for key in keys],
    )
