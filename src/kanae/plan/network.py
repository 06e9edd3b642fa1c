"""Objects of the pod network, and of manifests that the spec names."""

from __future__ import annotations

from collections.abc import Mapping

from kanae.facts.model import Query
from kanae.plan.actions import ApplyObjects
from kanae.plan.draft import Draft
from kanae.plan.model import Change
from kanae.plan.objects import compared
from kanae.plan.view import Site
from kanae.render.objects import applied
from kanae.spec.models import Role


def query(site: Site, host: str) -> Query:
    if Role.CONTROL_PLANE not in site.spec.hosts[host].roles:
        return Query()
    manifests = tuple(map(applied, site.manifests))
    return Query(cluster=True, objects=tuple(each.key for each in manifests), applied=manifests)


def plan(draft: Draft) -> None:
    """All are applied by one step on a control-plane host.

    None also when a living cluster's API does not answer: what is there cannot be told then.
    """
    view = draft.view
    api = view.api
    if not view.site.manifests or (view.joined_control_planes and api is None):
        return
    missing: list[Mapping[str, object]] = []
    changes: list[Change] = []
    for document in view.site.manifests:
        change = compared(api, document)
        if change is not None:
            missing.append(document)
            changes.append(change)
    if not missing:
        return
    fresh = draft.at.init is not None
    draft.at.network = draft.builder.add(
        draft.via,
        "pod-network",
        "apply",
        f"apply the pod network ({view.spec.networks.pod_network.provider.value})",
        ApplyObjects(tuple(applied(document).text for document in missing)),
        # Its pods start at once on every node that has joined, with what is delivered to it, and
        # reach the API by the endpoint.
        needs=[
            *draft.reached,
            *(each for build in draft.hosts.values() if fresh for each in build.last),
        ],
        changes=changes,
    )
