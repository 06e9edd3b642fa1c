"""Objects of the pod network, and of manifests that the spec names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from kanae.facts.model import ApiFact, ObjectKey, Query
from kanae.plan.actions import ApplyObjects
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.view import Site
from kanae.render.objects import applied, covers, key_of, lasting
from kanae.resources.model import text_diff
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
        change = _change(api, document)
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
        # Its pods start at once on every node that has joined, with what is delivered to it.
        needs=[draft.at.init, *(build.last for build in draft.hosts.values() if fresh)],
        changes=changes,
    )


def _change(api: ApiFact | None, document: Mapping[str, object]) -> Change | None:
    """What applying a document would do. By what the API server itself says of it, where it says
    something: defaults, and values that it drops or rewrites, are then no difference."""
    key = key_of(document)
    subject = f"{key.namespace}/{key.name}" if key.namespace else key.name
    live = api.objects.get(key) if api is not None else None
    if api is None or live is None:
        return Change(Verb.CREATE, key.resource, subject)
    stored = api.stored.get(key)
    if stored is not None:
        old, new = lasting(live), lasting(stored)
        same = old == new
    else:
        same, old, new = covers(live, document), _common(live, document), document
    return None if same else Change(Verb.UPDATE, key.resource, subject, diff=_diff(key, old, new))


def _diff(key: ObjectKey, old: object, new: object) -> str:
    """Nothing of a Secret is shown."""
    if key.resource == "secrets":
        return ""
    before, after = (json.dumps(each, indent=1, sort_keys=True) for each in (old, new))
    return text_diff(before, after, "object")


def _common(live: object, wanted: object) -> object:
    """Only the fields that are wanted, as they are."""
    if isinstance(live, Mapping) and isinstance(wanted, Mapping):
        have = cast("Mapping[str, object]", live)
        want = cast("Mapping[str, object]", wanted)
        return {key: _common(have[key], value) for key, value in want.items() if key in have}
    if isinstance(live, list) and isinstance(wanted, list):
        pairs = zip(cast("list[object]", live), cast("list[object]", wanted), strict=False)
        return [_common(have, want) for have, want in pairs]
    return cast("object", live)
