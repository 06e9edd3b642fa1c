"""Kubernetes objects as dicts: their key, their marks, whether one has all that another wants."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final, cast

from kanae.facts.kinds import namespace_of
from kanae.facts.model import Applied, ObjectKey
from kanae.render.documents import Document
from kanae.spec.duration import go_milliseconds

MANAGED_BY: Final = {"app.kubernetes.io/managed-by": "kanae"}
# On pod templates: a changed ConfigMap then restarts the pods that read it only at start.
DIGEST_ANNOTATION: Final = "kanae.dev/config-digest"

# Fields of KubeletConfiguration and KubeProxyConfiguration that are no pointers and are left out
# when they are zero (`omitempty`; k8s.io/kubelet/config/v1beta1 and k8s.io/kube-proxy/config/
# v1alpha1, types.go of v1.37.2): false, 0 or "" says the same there as nothing. kubeadm keeps these
# documents in ConfigMaps as Go writes them, where no API server can be asked about them.
_LEFT_OUT: Final = frozenset(
    {
        *("rotateCertificates", "serverTLSBootstrap", "enableContentionProfiling", "splitStream"),
        *("protectKernelDefaults", "kernelMemcgNotification", "windowsRunAsService"),
        *("readOnlyPort", "registryBurst", "eventBurst", "nodeLeaseDurationSeconds", "maxPods"),
        *("maxOpenFiles", "kubeAPIBurst", "evictionMaxPodGracePeriod", "podsPerCore"),
        *("address", "healthzBindAddress", "podCIDR", "providerID", "contentType", "format"),
        *("tlsCertFile", "tlsPrivateKeyFile", "tlsMinVersion", "podLogsDir", "volumePluginDir"),
        *("cgroupRoot", "kubeletCgroups", "systemCgroups", "kubeReservedCgroup"),
        *("systemReservedCgroup", "reservedSystemCPUs", "hairpinMode", "containerLogMaxSize"),
        *("cpuManagerPolicy", "memoryManagerPolicy", "topologyManagerPolicy"),
        *("topologyManagerScope", "configMapAndSecretChangeDetectionStrategy", "swapBehavior"),
        *("imagePullCredentialsVerificationPolicy", "showHiddenMetricsForVersion"),
    }
)
# Mappings of people's own keys, in which every value means something.
_FREE: Final = frozenset({"data", "labels", "annotations", "matchLabels", "nodeSelector"})
# In the metadata of what the API server gives, of its own making.
_NOTED: Final = frozenset(
    {"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"}
)


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
    """The object's key, by the namespace that it is in when it says none."""
    metadata = cast("Mapping[str, object]", document["metadata"])
    kind = str(document["kind"]).lower()
    group, slash, _ = str(document["apiVersion"]).rpartition("/")
    plural = _plural(kind)
    resource = f"{plural}.{group}" if slash else plural
    namespace = namespace_of(resource, str(metadata.get("namespace") or ""))
    return ObjectKey(resource, namespace, str(metadata["name"]))


def applied(document: Mapping[str, object]) -> Applied:
    version = str(document["apiVersion"]).rpartition("/")[2]
    return Applied(key_of(document), version, json.dumps(document, sort_keys=True))


def lasting(document: Mapping[str, object]) -> Document:
    """An object as the API server gives it, without what it or a controller counts and notes."""
    metadata = cast("Mapping[str, object]", document.get("metadata") or {})
    kept = {name: value for name, value in metadata.items() if name not in _NOTED}
    return {name: each for name, each in document.items() if name != "status"} | {"metadata": kept}


def covers(live: object, wanted: object) -> bool:
    """Whether `live` holds everything that `wanted` says; what only `live` has does not matter.

    Lists must agree item by item. What Kubernetes does not store is no difference: null, an empty
    list or mapping, and the zero value of a component's field that its own encoding then leaves
    out. Durations (1m, 60s) may be spelt differently: it rewrites them.
    """
    return _covers(live, wanted, "", "")


def _covers(live: object, wanted: object, field: str, within: str) -> bool:
    """field: name of these values; within: name of the mapping that holds them."""
    if wanted is None:
        return True
    if isinstance(wanted, Mapping):
        want = cast("Mapping[str, object]", wanted)
        if not isinstance(live, Mapping):
            return not want and live is None
        have = cast("Mapping[str, object]", live)
        return all(_covers(have.get(key), value, key, field) for key, value in want.items())
    if isinstance(wanted, list):
        items = cast("list[object]", wanted)
        if not isinstance(live, list):
            return not items and live is None
        present = cast("list[object]", live)
        return len(present) == len(items) and all(
            _covers(have, want, field, within) for have, want in zip(present, items, strict=True)
        )
    if live is None:
        return not wanted and field in _LEFT_OUT and within not in _FREE
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
