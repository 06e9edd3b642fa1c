"""Weave Net as the pod network: the objects of its community continuation, 2.9.0.

Its images are not built by kanae: they are pulled, or come as archives that the spec names.
Source: the continuation's manifest as it was tried by hand on Kubernetes v1.37.2.
"""

from __future__ import annotations

from typing import Final

from kanae.facts.model import HostBase
from kanae.render.documents import Document
from kanae.render.in_cluster import api_environment
from kanae.render.objects import meta
from kanae.spec.models import Spec

VERSION: Final = "2.9.0"
IMAGE: Final = f"docker.io/rajchaudhuri/weave-kube:{VERSION}"
POLICY_IMAGE: Final = f"docker.io/rajchaudhuri/weave-npc:{VERSION}"

_NAME: Final = "weave-net"
_NAMESPACE: Final = "kube-system"
_RBAC: Final = "rbac.authorization.k8s.io"
_STATUS_PORT: Final = 6784


def objects(spec: Spec, bases: tuple[HostBase, ...] = ()) -> list[Document]:
    """In the order in which they are to be applied. bases: of the nodes, as far as known.

    The fast datapath needs the kernel's openvswitch on every node: two nodes of which only one has
    it could not talk by it, so where any lacks it (or none is known) all do without.
    """
    fast = bool(bases) and all("openvswitch" in base.kernel_features for base in bases)
    # iptables of today's distributions writes nft tables; kubelet and kube-proxy use it too.
    legacy = any("nf_tables" not in base.kernel_features for base in bases)
    environment = _environment(spec, fast, "legacy" if legacy else "nft")
    return [*_access(), _daemon_set(environment, [_HOSTNAME, *api_environment(spec)])]


def _access() -> list[Document]:
    account: Document = {"apiVersion": "v1", "kind": "ServiceAccount"}
    account["metadata"] = meta(_NAME, _NAMESPACE)
    subject = {"kind": "ServiceAccount", "name": _NAME, "namespace": _NAMESPACE}
    watch = ["get", "list", "watch"]
    cluster_role: Document = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": meta(_NAME),
        "rules": [
            {"apiGroups": [""], "resources": ["pods", "namespaces", "nodes"], "verbs": watch},
            {
                "apiGroups": ["networking.k8s.io"],
                "resources": ["networkpolicies"],
                "verbs": watch,
            },
            # It says by a condition of the node that the node's network is there.
            {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch", "update"]},
        ],
    }
    role: Document = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": meta(_NAME, _NAMESPACE),
        "rules": [
            # Its record of peers, by which addresses of dead nodes are taken back.
            {
                "apiGroups": [""],
                "resources": ["configmaps"],
                "resourceNames": [_NAME],
                "verbs": ["get", "update"],
            },
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
        ],
    }
    return [
        account,
        cluster_role,
        _binding("ClusterRoleBinding", meta(_NAME), "ClusterRole", subject),
        role,
        _binding("RoleBinding", meta(_NAME, _NAMESPACE), "Role", subject),
    ]


def _binding(kind: str, metadata: Document, role: str, subject: dict[str, str]) -> Document:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": _RBAC, "kind": role, "name": _NAME},
        "subjects": [subject],
    }


_HOSTNAME: Final[Document] = {
    "name": "HOSTNAME",
    "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}},
}


def _environment(spec: Spec, fast: bool, backend: str) -> list[Document]:
    said = {
        "INIT_CONTAINER": "true",
        "CHECKPOINT_DISABLE": "1",
        "IPALLOC_RANGE": str(spec.networks.pods),
        "IPTABLES_BACKEND": backend,
    }
    if not fast:
        said["WEAVE_NO_FASTDP"] = "1"
    variables: list[Document] = [{"name": name, "value": value} for name, value in said.items()]
    return [_HOSTNAME, *api_environment(spec), *variables]


def _daemon_set(environment: list[Document], of_policy: list[Document]) -> Document:
    labels = {"name": _NAME}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": meta(_NAME, _NAMESPACE),
        "spec": {
            "minReadySeconds": 5,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod(environment, of_policy)},
        },
    }


def _pod(environment: list[Document], of_policy: list[Document]) -> Document:
    lock = {"name": "xtables-lock", "mountPath": "/run/xtables.lock"}
    host = [
        {"name": "cni-bin", "mountPath": "/host/opt"},
        {"name": "cni-bin2", "mountPath": "/host/home"},
        {"name": "cni-conf", "mountPath": "/host/etc"},
        {"name": "lib-modules", "mountPath": "/lib/modules"},
        lock,
    ]
    return {
        "hostNetwork": True,
        "hostPID": False,
        # The endpoint's name is resolved as the host does: cluster DNS waits for this network.
        "dnsPolicy": "Default",
        "priorityClassName": "system-node-critical",
        "restartPolicy": "Always",
        "serviceAccountName": _NAME,
        "tolerations": [{"operator": "Exists"}],
        "initContainers": [
            {
                "name": "weave-init",
                "image": IMAGE,
                "command": ["/home/weave/init.sh"],
                "env": environment,
                "securityContext": {"privileged": True},
                "volumeMounts": host,
            }
        ],
        "containers": [
            {
                "name": "weave",
                "image": IMAGE,
                "command": ["/home/weave/launch.sh"],
                "env": environment,
                "readinessProbe": {
                    "httpGet": {
                        "host": "127.0.0.1",
                        "path": "/status",
                        "port": _STATUS_PORT,
                        "scheme": "HTTP",
                    }
                },
                "resources": {"requests": {"cpu": "50m", "memory": "100Mi"}},
                "securityContext": {"privileged": True},
                "volumeMounts": [
                    {"name": "weavedb", "mountPath": "/weavedb"},
                    {"name": "dbus", "mountPath": "/host/var/lib/dbus", "readOnly": True},
                    {"name": "machine-id", "mountPath": "/host/etc/machine-id", "readOnly": True},
                    lock,
                ],
            },
            {
                "name": "weave-npc",
                "image": POLICY_IMAGE,
                "env": of_policy,
                "resources": {"requests": {"cpu": "50m", "memory": "100Mi"}},
                "securityContext": {"privileged": True},
                "volumeMounts": [lock],
            },
        ],
        "volumes": [
            _host_path("weavedb", "/var/lib/weave"),
            _host_path("cni-bin", "/opt"),
            _host_path("cni-bin2", "/home"),
            _host_path("cni-conf", "/etc"),
            _host_path("dbus", "/var/lib/dbus"),
            _host_path("machine-id", "/etc/machine-id", "FileOrCreate"),
            _host_path("lib-modules", "/lib/modules"),
            _host_path("xtables-lock", "/run/xtables.lock", "FileOrCreate"),
        ],
    }


def _host_path(name: str, path: str, kind: str = "") -> Document:
    where: Document = {"path": path}
    if kind:
        where["type"] = kind
    return {"name": name, "hostPath": where}
