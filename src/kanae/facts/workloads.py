"""How many pods of a workload serve, as its own object tells. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from kanae.facts.model import ObjectKey

_DAEMONS: Final = "daemonsets.apps"
_WORKLOADS: Final = (_DAEMONS, "deployments.apps", "statefulsets.apps")
DNS: Final = ObjectKey("deployments.apps", "kube-system", "coredns")
PROXY: Final = ObjectKey(_DAEMONS, "kube-system", "kube-proxy")


@dataclass(frozen=True, slots=True)
class Serving:
    """Pods that serve, and how many should."""

    available: int
    wanted: int

    @property
    def all(self) -> bool:
        return self.available >= self.wanted

    def __str__(self) -> str:
        return f"{self.available} of {self.wanted} pods serve"


def workloads(keys: Iterable[ObjectKey]) -> tuple[ObjectKey, ...]:
    """What a cluster needs to be of use: DNS, service addresses, and the workloads among `keys`,
    the objects of the pod network."""
    return tuple(dict.fromkeys((DNS, PROXY, *(key for key in keys if key.resource in _WORKLOADS))))


def serving(key: ObjectKey, live: Mapping[str, object]) -> Serving | None:
    """live: the object as the API server gives it. None while its controller has told nothing.

    Nobody resolves names without a CoreDNS pod, also where somebody has scaled it to none.
    """
    status = live.get("status")
    if not isinstance(status, Mapping):
        return None
    told = cast("Mapping[str, object]", status)
    if key.resource == _DAEMONS:
        return Serving(_number(told, "numberReady"), _number(told, "desiredNumberScheduled"))
    spec = cast("Mapping[str, object]", live.get("spec", {}))
    wanted = _number(spec, "replicas", default=1)
    return Serving(_number(told, "availableReplicas"), max(1, wanted) if key == DNS else wanted)


def replaced(live: Mapping[str, object]) -> bool:
    """Whether all pods of a DaemonSet are of its present template, as far as that is told."""
    status, metadata = live.get("status"), live.get("metadata")
    if not isinstance(status, Mapping) or not isinstance(metadata, Mapping):
        return True
    told = cast("Mapping[str, object]", status)
    generation = _number(cast("Mapping[str, object]", metadata), "generation")
    seen = _number(told, "observedGeneration") >= generation
    wanted = _number(told, "desiredNumberScheduled")
    return seen and _number(told, "updatedNumberScheduled") >= wanted


def _number(fields: Mapping[str, object], name: str, default: int = 0) -> int:
    value = fields.get(name, default)
    return value if isinstance(value, int) else default


def images(live: Mapping[str, object]) -> tuple[str, ...]:
    """References of the images that new pods of a workload run, its init containers' left aside."""
    found = live
    for name in ("spec", "template", "spec"):
        part = found.get(name)
        if not isinstance(part, Mapping):
            return ()
        found = cast("Mapping[str, object]", part)
    given = found.get("containers")
    containers = cast("list[object]", given) if isinstance(given, list) else []
    return tuple(
        str(cast("Mapping[str, object]", each).get("image", ""))
        for each in containers
        if isinstance(each, Mapping)
    )
