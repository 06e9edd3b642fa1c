"""Which hosts may register as nodes; said before any leaves, and before any joins."""

from __future__ import annotations

from kanae.facts.model import Query
from kanae.plan import objects
from kanae.plan.draft import Draft
from kanae.plan.view import Site
from kanae.render import registration
from kanae.render.objects import applied
from kanae.spec.models import Role


def query(site: Site, host: str) -> Query:
    if Role.CONTROL_PLANE not in site.spec.hosts[host].roles:
        return Query()
    wanted = tuple(map(applied, registration.objects(site.spec)))
    return Query(cluster=True, objects=tuple(each.key for each in wanted), applied=wanted)


def plan(draft: Draft) -> None:
    """Not while a living cluster's API does not answer: what is there cannot be told then."""
    view = draft.view
    if view.joined_control_planes and view.api is None:
        return
    draft.at.registration = objects.apply(
        draft,
        "registration",
        "apply",
        "say which hosts may register as nodes",
        registration.objects(view.spec),
        needs=draft.reached,
    )
