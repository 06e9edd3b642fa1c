"""Kubernetes objects as dicts: their key, their marks, whether one has all that another wants."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final, cast

from kanae.facts.model import ObjectKey
from kanae.render.documents import Document
from kanae.render.duration import go_milliseconds

MANAGED_BY: Final = {"app.kubernetes.io/managed-by": "kanae"}
# On pod templates: a changed ConfigMap then restarts the pods that read it only at start.
DIGEST_ANNOTATION: Final = "kanae.dev/config-digest"


def meta(name: str, namespace: str = "", **labels: str) -> Document:
    """Metadata with kanae's label. Underscores in names of labels stand for hyphens."""
    marks = MANAGED_BY | {label.replace("_", "-"): value for label, value in labels.items()}
    document: Document = {"name": name, "labels": marks}
    if namespace:
        document["namespace"] = namespace
    return document


def digest(documents: Sequence[Mapping[str, object]]) -> str:
    """16 hex digits that change when any of the objects does."""
    return hashlib.sha256(json.dumps(documents, sort_keys=True).encode()).hexdigest()[:16]


def key_of(document: Mapping[str, object]) -> ObjectKey:
    """The object's key; namespace "" for what has none, or says none."""
    metadata = cast("Mapping[str, object]", document["metadata"])
    kind = str(document["kind"]).lower()
    group, slash, _ = str(document["apiVersion"]).rpartition("/")
    plural = _plural(kind)
    return ObjectKey(
        f"{plural}.{group}" if slash else plural,
        str(metadata.get("namespace", "")),
        str(metadata["name"]),
    )


def covers(live: object, wanted: object) -> bool:
    """Whether `live` holds everything that `wanted` says; what only `live` has does not matter.

    Lists must agree item by item. Durations may be spelt differently (1m, 60s): Kubernetes
    rewrites them.
    """
    if isinstance(wanted, Mapping):
        want = cast("Mapping[str, object]", wanted)
        if not isinstance(live, Mapping):
            # An empty mapping is dropped by Kubernetes' own encoding.
            return not want and live is None
        have = cast("Mapping[str, object]", live)
        return all(covers(have.get(key), value) for key, value in want.items())
    if isinstance(wanted, list):
        items = cast("list[object]", wanted)
        if not isinstance(live, list):
            return not items and live is None
        present = cast("list[object]", live)
        return len(present) == len(items) and all(map(covers, present, items))
    return live == wanted or _same_duration(live, wanted)


def _same_duration(live: object, wanted: object) -> bool:
    if not (isinstance(live, str) and isinstance(wanted, str)):
        return False
    return (have := go_milliseconds(live)) is not None and have == go_milliseconds(wanted)


def _plural(kind: str) -> str:
    """English plurals as Kubernetes forms them: networkpolicies, ingressclasses, endpoints."""
    if kind.endswith(("endpoints", "metrics")):
        return kind
    if kind.endswith("y") and kind[-2] not in "aeiou":
        return kind[:-1] + "ies"
    return kind + ("es" if kind.endswith(("s", "x", "ch", "sh")) else "s")
