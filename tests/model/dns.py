"""CoreDNS's Deployment as kubeadm writes it, and where its pods come to stand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ruamel.yaml import YAML

Object = dict[str, Any]
# As far as placing goes: cmd/kubeadm/app/phases/addons/dns/manifests.go of v1.37.2.
_KUBEADMS: Final[Object] = {
    "spec": {
        "replicas": 2,
        "template": {
            "metadata": {"labels": {"k8s-app": "kube-dns"}},
            "spec": {
                "affinity": {
                    "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}
                },
                "tolerations": [
                    {"key": "CriticalAddonsOnly", "operator": "Exists"},
                    {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
                ],
            },
        },
    }
}


@dataclass(slots=True)
class Pods:
    """template: of the ReplicaSet. places: the node of each pod, "" while it waits for one."""

    template: Object = field(default_factory=Object)
    places: list[str] = field(default_factory=list[str])

    def copy(self) -> Pods:
        return replace(self, places=list(self.places))


def coredns(live: Object | None, patch: str) -> Object:
    """The Deployment that `kubeadm init phase addon coredns` leaves. live: the one before, of which
    it keeps the number of replicas. patch: of type json, "" for none."""
    deployment = deepcopy(_KUBEADMS)
    if live is not None:
        deployment["spec"]["replicas"] = live["spec"]["replicas"]
    operations: Any = YAML(typ="safe", pure=True).load(patch)  # pyright: ignore[reportUnknownMemberType]  # untyped
    for operation in operations or ():
        *way, last = operation["path"].strip("/").split("/")
        here: Any = deployment
        for each in way:
            here = here[each]
        if last == "-":
            here.append(operation["value"])
        else:
            assert operation["op"] == "add" or last in here
            here[last] = operation["value"]
    return deployment


def settled(pods: Pods, deployment: Object | None, powered: Collection[str]) -> bool:
    """Whether nothing is left to do for the controllers and the scheduler; asked all the time."""
    if deployment is None:
        return not pods.places
    spec = deployment["spec"]
    return (
        len(pods.places) == spec["replicas"]
        and all(each in powered for each in pods.places)
        and pods.template == spec["template"]
    )


def place(
    pods: Pods, deployment: Object | None, ready: Mapping[str, Object], powered: Collection[str]
) -> None:
    """What the controllers and the scheduler make of it. A new template is a new ReplicaSet; a pod
    on a host without power is made anew. Of the nodes that may take a pod the fullest does, since
    preferences promise nothing."""
    if deployment is None:
        pods.template, pods.places = {}, []
        return
    spec = deployment["spec"]
    if pods.template != spec["template"]:
        pods.template, pods.places = deepcopy(spec["template"]), []
    places = [each if each in powered else "" for each in pods.places]
    places = sorted(places, key=lambda each: not each)[: spec["replicas"]]
    places += [""] * (spec["replicas"] - len(places))
    affinity = spec["template"]["spec"]["affinity"]["podAntiAffinity"]
    apart = [
        term["topologyKey"]
        for term in affinity.get("requiredDuringSchedulingIgnoredDuringExecution", ())
        if term["labelSelector"]["matchLabels"].items()
        <= spec["template"]["metadata"]["labels"].items()
    ]
    takers = [name for name, node in ready.items() if _takes(node, spec["template"]["spec"])]
    for number, place in enumerate(places):
        free = [name for name in takers if not (apart and name in places)]
        if not place and free:
            places[number] = max(free, key=places.count)
    pods.places = places


def _takes(node: Object, pod: Object) -> bool:
    if node["spec"].get("unschedulable"):
        return False
    return all(
        any(_tolerates(toleration, taint) for toleration in pod["tolerations"])
        for taint in node["spec"].get("taints", ())
        if taint["effect"] != "PreferNoSchedule"
    )


def _tolerates(toleration: Object, taint: Object) -> bool:
    """staging/src/k8s.io/api/core/v1/toleration.go"""
    return (
        toleration["key"] == taint["key"]
        and toleration.get("effect") in (None, taint["effect"])
        and (
            toleration.get("operator") == "Exists"
            or toleration.get("value", "") == taint.get("value", "")
        )
    )
