"""What kanae says about CoreDNS beyond kubeadm's defaults: a patch of its Deployment, which kubeadm
applies whenever it writes it (target corednsdeployment), and how its Service finds the pods.

kubeadm's own two pods stand on the first host for good: they are placed before another has joined,
and their anti-affinity is a preference. Read in v1.37.2: cmd/kubeadm/app/phases/addons/dns,
pkg/scheduler/framework/plugins/interpodaffinity, pkg/proxy/topology.go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, cast

from kanae.render.banner import banner
from kanae.render.documents import Document
from kanae.spec.models import Spec

# More pods than that are of little use: each watches all services.
_MOST: Final = 10
_KUBEADMS: Final = 2
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
# No two pods on one node. A second one waits until there is another node, and one that a host has
# lost waits for it when all others have theirs, so that things are as before when it is back.
# Each ReplicaSet by itself: a rollout has to find room beside the pods that it replaces.
_APART: Final[Document] = {
    "labelSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    "matchLabelKeys": ["pod-template-hash"],
    "topologyKey": "kubernetes.io/hostname",
}
# Seconds after a node was given up until its pods are made anew elsewhere. The API server gives
# pods 300; a host that is back within these keeps its own.
_PATIENCE: Final = 30
_TOLERATIONS: Final[tuple[Document, ...]] = tuple(
    {
        "key": f"node.kubernetes.io/{condition}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": _PATIENCE,
    }
    for condition in ("not-ready", "unreachable")
)


def wanted(spec: Spec) -> Document:
    """Of the Deployment what kanae says: replicas, which pods keep apart, tolerations.

    Where only one node takes CoreDNS all pods have to be there.
    """
    takers = len(spec.dns_hosts)
    return {
        "replicas": spec.dns.replicas or (min(takers, _MOST) if takers > 1 else _KUBEADMS),
        "apart": [_APART] if takers > 1 else [],
        "tolerations": list(_TOLERATIONS),
    }


def found(deployment: Mapping[str, object]) -> Document:
    """What a Deployment as the API server gives it says of the same. Tolerations beside kanae's
    are kubeadm's."""
    said = _map(deployment.get("spec"))
    pods = _map(_map(said.get("template")).get("spec"))
    anti_affinity = _map(_map(pods.get("affinity")).get("podAntiAffinity"))
    tolerations = _maps(pods.get("tolerations"))
    return {
        "replicas": said.get("replicas"),
        "apart": _maps(anti_affinity.get(_REQUIRED)),
        "tolerations": [each for each in _TOLERATIONS if each in tolerations],
    }


def patch(spec: Spec) -> str:
    """A kubeadm patch of type json, as YAML: tolerations are added to kubeadm's, which a strategic
    one would replace."""
    said = wanted(spec)
    pods = "/spec/template/spec"
    operations = [_operation("replace", "/spec/replicas", said["replicas"])]
    if said["apart"]:
        path = f"{pods}/affinity/podAntiAffinity/{_REQUIRED}"
        operations.append(_operation("add", path, said["apart"]))
    operations += [_operation("add", f"{pods}/tolerations/-", each) for each in _TOLERATIONS]
    return f"{banner()}{json.dumps(operations, indent=1)}\n"


def service() -> Document:
    """Of CoreDNS's Service what kanae says: a node with a pod of its own asks that one.

    kube-proxy sends queries to a dead host's pod until the node is given up, 50 s by default: only
    the kubelet of that host could have said sooner that the pod is not ready.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"trafficDistribution": "PreferSameNode"},
    }


def _operation(verb: str, path: str, value: object) -> Document:
    """Of a JSON patch (RFC 6902)."""
    return {"op": verb, "path": path, "value": value}


def _map(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _maps(value: object) -> list[Mapping[str, object]]:
    return [_map(item) for item in cast("list[object]", value)] if isinstance(value, list) else []
