"""The Service `kubernetes` handed back to the API servers, when all have their argument: the
objects name the masters, and then nothing keeps API servers off them any more. See `in_cluster`."""

from __future__ import annotations

from kanae.layout import ports
from kanae.plan import objects
from kanae.plan.actions import DeleteObjects
from kanae.plan.draft import Draft
from kanae.plan.in_cluster import STAGE, by_balancer, ours
from kanae.plan.model import Change, Verb
from kanae.render import in_cluster


def plan(draft: Draft) -> None:
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
