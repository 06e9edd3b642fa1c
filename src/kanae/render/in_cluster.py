"""The Service `kubernetes`, by which pods reach the API: who is behind it, and who may say so.

kube-apiserver's own way (`--endpoint-reconciler-type=lease`; pkg/controlplane/reconcilers of
v1.37.2): every API server renews a key of 15 s in etcd each 10 s, and then writes into both
objects who has one. The addresses only: a port that is there stays. One that stops takes its
address out at once, the last one leaves nobody; a dead one's stays for 15 s.

While kanae says who is behind it, or is about to, API servers are kept from it by an admission
policy, for some of them may still (or already) run in that way. Their requests to themselves come
as system:apiserver, with whom nothing else writes these objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address
from typing import Any, Final, cast

from kanae.facts.model import ObjectKey
from kanae.render.documents import Document
from kanae.render.objects import key_of, meta
from kanae.spec.models import Spec

# What API servers verify as in any certificate of theirs (kubeadm's pkiutil GetAPIServerAltNames).
SERVICE: Final = "kubernetes"
NAMESPACE: Final = "default"
GUARD: Final = "kanae-kubernetes-service"
API_SERVER_USER: Final = "system:apiserver"
SLICE: Final = ObjectKey("endpointslices.discovery.k8s.io", NAMESPACE, SERVICE)
# By which client-go and its kind find the API from within a pod.
_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
_ADMISSION: Final = "admissionregistration.k8s.io/v1"


def api_environment(spec: Spec) -> list[Document]:
    """Of containers that reach the API by the endpoint, in place of the Service: those that are
    there before kube-proxy answers for its address."""
    return [
        {"name": _HOST, "value": spec.endpoint_host},
        {"name": _PORT, "value": str(spec.endpoint.port)},
    ]


def led(workload: Mapping[str, object]) -> Iterator[str]:
    """Where containers of a living workload are led in place of the Service, as host:port."""
    found = cast("Mapping[str, Any]", workload)
    none: Mapping[str, Any] = {}
    template: Mapping[str, Any] = (found.get("spec") or none).get("template") or none
    pod: Mapping[str, Any] = template.get("spec") or none
    for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ())):
        told = {each["name"]: each.get("value", "") for each in container.get("env") or ()}
        if host := told.get(_HOST):
            yield f"{host}:{told.get(_PORT, '')}"


def guard() -> tuple[Document, ...]:
    """The policy that keeps API servers off the objects, and its binding."""

    def written(group: str, resource: str) -> Document:
        return {
            "apiGroups": [group],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE", "DELETE"],
            "resources": [resource],
            "resourceNames": [SERVICE],
        }

    rules = [written("", "endpoints"), written("discovery.k8s.io", "endpointslices")]
    policy: Document = {
        "apiVersion": _ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": meta(GUARD),
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
                "resourceRules": rules,
            },
            "validations": [
                {
                    "expression": f"request.userInfo.username != '{API_SERVER_USER}'",
                    "message": "kanae says who is behind the Service kubernetes "
                    "(endpoint.inCluster of the spec)",
                    "reason": "Forbidden",
                }
            ],
        },
    }
    binding: Document = {
        "apiVersion": _ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": meta(GUARD),
        "spec": {"policyName": GUARD, "validationActions": ["Deny"]},
    }
    return policy, binding


def guard_keys() -> tuple[ObjectKey, ...]:
    """The binding first: a policy without one keeps nobody off anything."""
    return tuple(reversed([key_of(each) for each in guard()]))


def named(addresses: Iterable[IPv4Address], port: int) -> tuple[Document, ...]:
    """Both objects that say who is behind it, with the labels that API servers give them.
    kube-proxy reads the EndpointSlice, older programs the Endpoints, from which no other slice is
    to be made.
    """
    listed = [str(address) for address in sorted(addresses)]
    ports = [{"name": "https", "port": port, "protocol": "TCP"}]
    endpoints: Document = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": SERVICE,
            "namespace": NAMESPACE,
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [{"addresses": [{"ip": address} for address in listed], "ports": ports}],
    }
    slice_: Document = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": SERVICE,
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": SERVICE},
        },
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": True}} for address in listed
        ],
        "ports": ports,
    }
    return endpoints, slice_
