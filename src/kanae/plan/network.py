"""Objects of the pod network, and of manifests that the spec names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from kanae.facts.model import Query
from kanae.plan.actions import ApplyObjects
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.view import Site
from kanae.render.objects import covers, key_of
from kanae.resources.model import text_diff
from kanae.spec.models import Role


def query(site: Site, host: str) -> Query:
    if Role.CONTROL_PLANE not in site.spec.hosts[host].roles:
        return Query()
    return Query(cluster=True, objects=tuple(map(key_of, site.manifests)))


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
        key = key_of(document)
        live = api.objects.get(key) if api is not None else None
        subject = f"{key.namespace}/{key.name}" if key.namespace else key.name
        if live is None:
            changes.append(Change(Verb.CREATE, key.resource, subject))
        elif not covers(live, document):
            changes.append(Change(Verb.UPDATE, key.resource, subject, diff=_diff(live, document)))
        else:
            continue
        missing.append(document)
    if not missing:
        return
    fresh = draft.at.init is not None
    draft.at.network = draft.builder.add(
        draft.via,
        "pod-network",
        "apply",
        f"apply the pod network ({view.spec.networks.pod_network.provider.value})",
        ApplyObjects(tuple(json.dumps(document, sort_keys=True) for document in missing)),
        # Its pods start at once on every node that has joined, with what is delivered to it.
        needs=[draft.at.init, *(build.last for build in draft.hosts.values() if fresh)],
        changes=changes,
    )


def _diff(live: Mapping[str, object], wanted: Mapping[str, object]) -> str:
    """Only the fields that are wanted, as they are and as they should be."""
    old = json.dumps(_common(live, wanted), indent=1, sort_keys=True)
    new = json.dumps(wanted, indent=1, sort_keys=True)
    return text_diff(old, new, "object")


def _common(live: object, wanted: object) -> object:
    if isinstance(live, Mapping) and isinstance(wanted, Mapping):
        have = cast("Mapping[str, object]", live)
        want = cast("Mapping[str, object]", wanted)
        return {key: _common(have[key], value) for key, value in want.items() if key in have}
    if isinstance(live, list) and isinstance(wanted, list):
        pairs = zip(cast("list[object]", live), cast("list[object]", wanted), strict=False)
        return [_common(have, want) for have, want in pairs]
    return cast("object", live)
