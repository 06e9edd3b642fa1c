"""Labels, taints and kubelet settings of nodes.

Syntax of labels: kubernetes.io/docs/concepts/overview/working-with-objects/labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kanae.spec.component_fields import KUBELET_FIELDS, PROXY_FIELDS
from kanae.spec.models import Host, Spec
from kanae.spec.rules.kubelet import kubelet_values
from kanae.spec.rules.violation import Violation
from kanae.spec.scalar import quoted
from kanae.spec.tree import Path
from kanae.spec.words import nearest_name

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

# What a kubelet may say about itself in the reserved name spaces:
# staging/src/k8s.io/kubelet/pkg/apis/well_known_labels.go of v1.37.2.
_OPEN_PREFIXES = ("kubelet.kubernetes.io", "node.kubernetes.io")
_OPEN_LABELS = frozenset({"topology.kubernetes.io/region", "topology.kubernetes.io/zone"})

# Conditions of a node that Kubernetes itself shows as taints:
# kubernetes.io/docs/reference/labels-annotations-taints.
_OWN_TAINTS = frozenset(
    "node.kubernetes.io/" + name
    for name in (
        "not-ready",
        "unreachable",
        "memory-pressure",
        "disk-pressure",
        "pid-pressure",
        "network-unavailable",
        "unschedulable",
        "out-of-service",
    )
)

# Fields that follow from other parts of the spec or from what kanae installs -> where to say it.
_KUBELET_OWNED: dict[str, str] = {
    "apiVersion": "",
    "kind": "",
    "authentication": "",
    "authorization": "",
    "cgroupDriver": "",
    "clusterDNS": "networks.services",
    "clusterDomain": "networks.dnsDomain",
    "containerRuntimeEndpoint": "",
    "imageServiceEndpoint": "",
    "failCgroupV1": "policies.allowCgroupV1",
    "failSwapOn": "policies.swap",
    "port": "",
    "healthzPort": "",
    "registerNode": "",
    "registerWithTaints": "taints of the host",
    "rotateCertificates": "",
    "runOnce": "",
    "staticPodPath": "",
    "staticPodURL": "",
    "staticPodURLHeader": "",
}
_PROXY_OWNED: dict[str, str] = {
    "apiVersion": "",
    "kind": "",
    "clientConnection": "",
    "clusterCIDR": "networks.pods",
    "hostnameOverride": "",
    "mode": "kubeProxy.mode",
}


def key_problem(key: str) -> str:
    """Why a key of a label or taint is not valid, "" when it is."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _PREFIX.fullmatch(prefix)):
        return f"expected a DNS name before the slash, not {quoted(prefix)}"
    if not _NAME.fullmatch(name):
        return (
            "expected at most 63 letters, digits and inner `-_.`, optionally after a DNS name and"
            f" a slash, not {quoted(key)}"
        )
    return ""


def value_problem(value: str) -> str:
    """Why a value of a label or taint is not valid, "" when it is."""
    if not value or _NAME.fullmatch(value):
        return ""
    return f"expected at most 63 letters, digits and inner `-_.`, not {quoted(value)}"


def _within(prefix: str, domain: str) -> bool:
    return prefix == domain or prefix.endswith("." + domain)


def _reserved(key: str) -> str:
    prefix, _, _ = key.rpartition("/")
    if not (_within(prefix, "kubernetes.io") or _within(prefix, "k8s.io")):
        return ""
    if key in _OPEN_LABELS or any(_within(prefix, domain) for domain in _OPEN_PREFIXES):
        return ""
    if _within(prefix, "node-role.kubernetes.io"):
        return "labels of node roles are set by kubeadm, from the roles of the host"
    return f"expected a prefix of your own; {prefix} is reserved for Kubernetes itself"


def node_rules(spec: Spec) -> Iterator[Violation]:
    nodes = frozenset(spec.nodes)
    for name, host in spec.hosts.items():
        place: Path = ("hosts", name)
        said = (
            ("labels", "labels", host.labels),
            ("taints", "taints", host.taints),
            ("kubelet", "kubelet settings", host.kubelet),
        )
        for field, words, value in said:
            if value and name not in nodes:
                message = f"only nodes have {words}; {name} is neither control plane nor worker"
                yield Violation((*place, field), message, about=((*place, "roles"),))
        yield from _labels(host, (*place, "labels"))
        yield from _taints(host, (*place, "taints"))
        yield from _settings(host.kubelet, (*place, "kubelet"), _KUBELET)
        yield from kubelet_values(host.kubelet, (*place, "kubelet"))
    yield from _settings(spec.kubelet, ("kubelet",), _KUBELET)
    yield from kubelet_values(spec.kubelet, ("kubelet",))
    yield from _settings(spec.kube_proxy.settings, ("kubeProxy", "settings"), _PROXY)


def _labels(host: Host, place: Path) -> Iterator[Violation]:
    for key, value in host.labels.items():
        if wrong := key_problem(key) or _reserved(key):
            yield Violation((*place, key), wrong, at_key=True)
        if wrong := value_problem(value):
            yield Violation((*place, key), wrong)


def _taints(host: Host, place: Path) -> Iterator[Violation]:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(host.taints or ()):
        here = (*place, index)
        if wrong := key_problem(taint.key):
            yield Violation((*here, "key"), wrong)
        if taint.key in _OWN_TAINTS:
            message = f"{taint.key} is set and removed by Kubernetes itself"
            yield Violation((*here, "key"), message)
        if wrong := value_problem(taint.value or ""):
            yield Violation((*here, "value"), wrong)
        if (taint.key, taint.effect) in seen:
            yield Violation(here, f"taint {taint.key} with {taint.effect} is given twice")
        seen.add((taint.key, taint.effect))


@dataclass(frozen=True, slots=True)
class _Component:
    """A component's configuration: known fields, and owned ones -> where to say them."""

    kind: str
    known: frozenset[str]
    owned: dict[str, str]


_KUBELET = _Component("KubeletConfiguration", KUBELET_FIELDS, _KUBELET_OWNED)
_PROXY = _Component("KubeProxyConfiguration", PROXY_FIELDS, _PROXY_OWNED)


def _settings(
    settings: dict[str, object], place: Path, component: _Component
) -> Iterator[Violation]:
    for field in settings:
        if field in component.owned:
            where = component.owned[field]
            hint = f"; say it by {where}" if where else ""
            yield Violation((*place, field), f"{field} is set by kanae{hint}", at_key=True)
        elif field not in component.known:
            near = nearest_name(field, sorted(component.known - component.owned.keys()))
            hint = f"; did you mean `{near}`?" if near else ""
            yield Violation(
                (*place, field), f"unknown field of {component.kind}{hint}", at_key=True
            )
