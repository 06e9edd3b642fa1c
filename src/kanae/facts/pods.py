"""What Pod and PodDisruptionBudget objects say of whether a pod may leave its node. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

Object = Mapping[str, Any]

# Of a mirror pod, which stands for a static one (core/v1 MirrorPodAnnotationKey).
_MIRROR: Final = "kubernetes.io/config.mirror"


@dataclass(frozen=True, slots=True)
class Pod:
    """controller: kind of what would start it elsewhere, "" without one. static: a mirror pod.

    finished: has ended by itself. ending: since when it is being deleted, "" when it is not.
    finalizers: what its deletion waits for.
    """

    namespace: str
    name: str
    labels: Mapping[str, str]
    controller: str
    static: bool
    finished: bool
    ending: str
    finalizers: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def stays(self) -> bool:
        """A drain leaves it where it is."""
        return self.static or (self.controller == "DaemonSet" and not self.finished)

    @property
    def alone(self) -> bool:
        """Nothing would start it anywhere else."""
        return not self.static and not self.controller and not self.finished


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget. selector: a LabelSelector. allowed: disruptions at this moment.

    expected: pods that it covers. desired: how many of them must be healthy at all times.
    """

    namespace: str
    name: str
    selector: Object | None
    allowed: int
    expected: int = 0
    desired: int = 0

    @property
    def never(self) -> bool:
        """Whether it lets no pod go even when all are healthy."""
        return 0 < self.expected <= self.desired

    def covers(self, pod: Pod) -> bool:
        """As policy/v1 has it: an empty selector covers every pod of the namespace."""
        if self.namespace != pod.namespace or self.selector is None:
            return False
        equal = cast("Mapping[str, str]", self.selector.get("matchLabels") or {})
        terms = cast("Sequence[Object]", self.selector.get("matchExpressions") or ())
        return all(pod.labels.get(key) == value for key, value in equal.items()) and all(
            _holds(term, pod.labels) for term in terms
        )


def _holds(term: Object, labels: Mapping[str, str]) -> bool:
    there = labels.get(term["key"])
    match term["operator"]:
        case "In":
            return there in term["values"]
        case "NotIn":
            return there not in term["values"]
        case "Exists":
            return there is not None
        case _:
            return there is None


def pods(listed: object) -> tuple[Pod, ...]:
    """Of a PodList as JSON."""
    return tuple(map(_pod, cast("Object", listed)["items"]))


def _pod(item: Object) -> Pod:
    meta = cast("Object", item["metadata"])
    owners = cast("Sequence[Object]", meta.get("ownerReferences") or ())
    controllers = [str(owner["kind"]) for owner in owners if owner.get("controller")]
    return Pod(
        str(meta["namespace"]),
        str(meta["name"]),
        meta.get("labels") or {},
        controllers[0] if controllers else "",
        _MIRROR in (meta.get("annotations") or {}),
        item.get("status", {}).get("phase") in ("Succeeded", "Failed"),
        str(meta.get("deletionTimestamp") or ""),
        tuple(meta.get("finalizers") or ()),
    )


def budgets(listed: object) -> tuple[Budget, ...]:
    """Of a PodDisruptionBudgetList as JSON."""
    return tuple(
        Budget(
            str(item["metadata"]["namespace"]),
            str(item["metadata"]["name"]),
            item["spec"].get("selector"),
            *(
                int(item.get("status", {}).get(field) or 0)
                for field in ("disruptionsAllowed", "expectedPods", "desiredHealthy")
            ),
        )
        for item in cast("Object", listed)["items"]
    )


def why_here(pod: Pod, budgets: Sequence[Budget]) -> str:
    """Why a pod that should have left its node is still there."""
    if pod.ending:
        waits = f", waits for {', '.join(pod.finalizers)}" if pod.finalizers else ""
        return f"is ending since {pod.ending}{waits}"
    if pod.alone:
        return "has no controller, so nothing would start it again"
    covering = [budget for budget in budgets if budget.covers(pod)]
    names = ", ".join(budget.name for budget in covering)
    if len(covering) > 1:
        # pkg/registry/core/pod/storage/eviction.go
        return f"is covered by more than one PodDisruptionBudget ({names}), so it is never evicted"
    if covering and not covering[0].allowed:
        return f"PodDisruptionBudget {names} allows no disruption"
    return "is not evicted yet"
