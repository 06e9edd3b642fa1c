"""Kinds of Kubernetes objects: where the API has those of its own groups."""

from __future__ import annotations

import re
from typing import Final

# API group -> version that every supported Kubernetes serves.
GROUPS: Final = {
    "": "v1",
    "admissionregistration.k8s.io": "v1",
    "apiextensions.k8s.io": "v1",
    "apiregistration.k8s.io": "v1",
    "apps": "v1",
    "autoscaling": "v2",
    "batch": "v1",
    "coordination.k8s.io": "v1",
    "discovery.k8s.io": "v1",
    "networking.k8s.io": "v1",
    "policy": "v1",
    "rbac.authorization.k8s.io": "v1",
    "scheduling.k8s.io": "v1",
    "storage.k8s.io": "v1",
}
# Those of these groups that are in no namespace, as `kubectl api-resources --namespaced=false`
# of v1.37.2 lists them.
CLUSTER_SCOPED: Final = frozenset(
    {
        "namespaces",
        "nodes",
        "persistentvolumes",
        "mutatingadmissionpolicies.admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "apiservices.apiregistration.k8s.io",
        "ingressclasses.networking.k8s.io",
        "ipaddresses.networking.k8s.io",
        "servicecidrs.networking.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "priorityclasses.scheduling.k8s.io",
        "csidrivers.storage.k8s.io",
        "csinodes.storage.k8s.io",
        "storageclasses.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
        "volumeattributesclasses.storage.k8s.io",
    }
)
# As kubectl takes them: daemonsets.apps. Names of objects as they stand in a path of the API.
RESOURCE: Final = re.compile(r"[a-z0-9][a-z0-9.-]*")
NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._:-]*")
VERSION: Final = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?")


def group_of(resource: str) -> str:
    return resource.partition(".")[2]


def namespace_of(resource: str, said: str) -> str:
    """Where an object is that says this namespace, or "". Of a group that is not known here, it
    cannot be told whether one that says none is in the namespace default."""
    if resource in CLUSTER_SCOPED:
        return ""
    return said or ("default" if group_of(resource) in GROUPS else "")
