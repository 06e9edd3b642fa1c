"""Edits of an example's spec, and what the plan of a living cluster makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kanae.render import registration
from kanae.spec.models import Spec

from .fixtures import document_of
from .simulator import Simulator

MASTERS = ("server1", "server2", "server3")
# Which hosts may register as nodes is said before one joins.
REGISTERED = [
    f"update validatingadmissionpolicies.admissionregistration.k8s.io {registration.NAME}"
]
# A node that takes CoreDNS gets a pod of its own.
DNS_PODS = "update deployments.apps kube-system/coredns"


def edited(name: str, change: Callable[[dict[str, Any]], None]) -> Spec:
    document = document_of(name)
    change(document)
    return Spec.model_validate(document)


def put(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update(fields)


def on_host(name: str, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["hosts"][name].update(fields)


def touched(sim: Simulator) -> dict[str, set[str]]:
    """Host -> kinds of what the plan changes there."""
    found: dict[str, set[str]] = {}
    for step in sim.plan():
        for change in step.changes:
            found.setdefault(step.host or "", set()).add(change.kind)
    return found


def changes(sim: Simulator) -> dict[str, list[str]]:
    """Step -> what it changes, in order."""
    return {
        step.id: [f"{each.verb.value} {each.kind} {each.subject}" for each in step.changes]
        for step in sim.plan()
    }
