"""What a Node object says of its node. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

# An annotation of ours on a node that kanae has cordoned and will uncordon.
CORDONED: Final = "kanae.dev/cordoned"


@dataclass(frozen=True, slots=True)
class Readiness:
    """reason: the condition's own word, "" when the node is ready."""

    ready: bool
    reason: str = ""


def readiness(node: Mapping[str, object] | None) -> Readiness:
    """The condition Ready of a Node as the API server gives it; None: there is no such node."""
    for condition in _maps(_map(_map(node).get("status")).get("conditions")):
        if condition.get("type") == "Ready":
            ready = condition.get("status") == "True"
            return Readiness(ready, "" if ready else str(condition.get("reason", "")))
    return Readiness(False, "it has never said whether it is ready")


def kubelet_version(node: Mapping[str, object]) -> str:
    """As in v1.37.2; "" when the node has not said it."""
    return str(_map(_map(node.get("status")).get("nodeInfo")).get("kubeletVersion", ""))


def cordoned(node: Mapping[str, object] | None) -> bool:
    """Whether the node takes no pods."""
    return _map(_map(node).get("spec")).get("unschedulable") is True


def cordoned_by_us(node: Mapping[str, object] | None) -> bool:
    """Whether it was kanae who keeps pods off it."""
    return CORDONED in _map(_map(_map(node).get("metadata")).get("annotations"))


def _map(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _maps(value: object) -> list[Mapping[str, object]]:
    return [_map(item) for item in cast("list[object]", value)] if isinstance(value, list) else []
