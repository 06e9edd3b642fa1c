"""Which hosts may register as nodes: those of the spec, by an admission policy of the API server.

A host that has left the cluster may come back with its old disk. Its kubelet's certificate is good
for up to a year, and it makes its Node again as soon as it reaches an API server, since Kubernetes
has no list of revoked certificates (kubernetes.io/docs/reference/access-authn-authz/node; the
admission plugin NodeRestriction lets a kubelet make the Node of its own name).
"""

from __future__ import annotations

import json
from typing import Final

from kanae.render.documents import Document
from kanae.render.objects import meta
from kanae.spec.models import Spec

NAME: Final = "kanae-nodes"
_API: Final = "admissionregistration.k8s.io/v1"


def objects(spec: Spec) -> tuple[Document, ...]:
    """Only the making of Nodes by kubelets is judged: a node that is there goes on."""
    created = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["nodes"],
    }
    kubelets = "'system:nodes' in request.userInfo.groups"
    policy: Document = {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": meta(NAME),
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [created]},
            "matchConditions": [{"name": "kubelets", "expression": kubelets}],
            "validations": [
                {
                    "expression": f"object.metadata.name in {json.dumps(sorted(spec.nodes))}",
                    "message": f"the spec of {spec.name} does not name this host: it has left the "
                    "cluster, or was never of it",
                    "reason": "Forbidden",
                }
            ],
        },
    }
    binding: Document = {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": meta(NAME),
        "spec": {"policyName": NAME, "validationActions": ["Deny"]},
    }
    return policy, binding
