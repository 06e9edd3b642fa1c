"""Objects in the cluster beside what is wanted of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from kanae.facts.model import ApiFact, ObjectKey
from kanae.plan.actions import ApplyObjects
from kanae.plan.draft import Draft, StepId
from kanae.plan.model import Change, Verb
from kanae.render.objects import applied, covers, key_of, lasting
from kanae.resources.model import text_diff


def apply(
    draft: Draft,
    stage: str,
    name: str,
    title: str,
    documents: Iterable[Mapping[str, object]],
    needs: Sequence[StepId],
) -> StepId:
    """The step that applies those that differ; None where none does."""
    found = [(each, compared(draft.view.api, each)) for each in documents]
    changes = [change for _, change in found if change is not None]
    if not changes:
        return None
    wanted = tuple(applied(each).text for each, change in found if change is not None)
    return draft.builder.add(
        draft.via, stage, name, title, ApplyObjects(wanted), needs=needs, changes=changes
    )


def compared(api: ApiFact | None, document: Mapping[str, object]) -> Change | None:
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
