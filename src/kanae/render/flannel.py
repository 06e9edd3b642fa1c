"""flannel as the pod network: the objects of upstream's kube-flannel.yml v0.28, built from dicts.

What differs from upstream: the CNI plugin is put on the hosts by kanae, so there is no container
that copies it; the configuration is of CNI 0.4.0, which both upstream's plugin and the last one
that can be built from Go modules (containernetworking/plugins v0.9.1) speak; the interface is the
one with the node's address instead of the default route's.
"""

from __future__ import annotations

import json
from typing import Final

from kanae.layout import paths
from kanae.render.documents import Document
from kanae.render.in_cluster import api_environment
from kanae.render.objects import DIGEST_ANNOTATION, digest, meta
from kanae.spec.models import ProxyMode, Spec

NAMESPACE: Final = "kube-flannel"
_NAME: Final = "flannel"
_CONFIG: Final = "kube-flannel-cfg"
_RBAC: Final = "rbac.authorization.k8s.io"
_HEALTH_PORT: Final = 8081


def objects(spec: Spec, image: str) -> list[Document]:
    """In the order in which they are to be applied. image: flannel's reference."""
    namespace: Document = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": meta(NAMESPACE, **{"pod-security.kubernetes.io/enforce": "privileged"}),
    }
    config = _config(spec)
    return [namespace, *_access(), config, _daemon_set(spec, image, digest([config]))]


def _access() -> list[Document]:
    account: Document = {"apiVersion": "v1", "kind": "ServiceAccount"}
    account["metadata"] = meta(_NAME, NAMESPACE)
    role: Document = {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": meta(_NAME)}
    role["rules"] = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
    ]
    binding: Document = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": meta(_NAME),
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": _NAME},
        "subjects": [{"kind": "ServiceAccount", "name": _NAME, "namespace": NAMESPACE}],
    }
    return [account, role, binding]


def _config(spec: Spec) -> Document:
    network: Document = {
        "Network": str(spec.networks.pods),
        # Two programs with different tools for one kernel's tables get in each other's way.
        "EnableNFTables": spec.kube_proxy.mode is ProxyMode.NFTABLES,
        "Backend": {"Type": "vxlan"},
    }
    plugins: Document = {
        "name": "cbr0",
        "cniVersion": "0.4.0",
        "plugins": [
            {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta(_CONFIG, NAMESPACE),
        "data": {
            "cni-conf.json": json.dumps(plugins, indent=2) + "\n",
            "net-conf.json": json.dumps(network, indent=2) + "\n",
        },
    }


def _daemon_set(spec: Spec, image: str, config_digest: str) -> Document:
    labels = {"app": _NAME}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": meta("kube-flannel-ds", NAMESPACE),
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": {DIGEST_ANNOTATION: config_digest}},
                "spec": _pod(spec, image),
            },
        },
    }


def _pod(spec: Spec, image: str) -> Document:
    mounted = {"name": "config", "mountPath": "/etc/kube-flannel"}
    install: Document = {
        "name": "install-cni",
        "image": image,
        "command": ["/opt/bin/install-conf"],
        "args": ["/etc/kube-flannel/cni-conf.json", f"{paths.CNI_CONF}/10-flannel.conflist"],
        "volumeMounts": [{"name": "cni", "mountPath": paths.CNI_CONF}, mounted],
    }
    return {
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "serviceAccountName": _NAME,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        # No node becomes Ready without it, whatever its taints.
        "tolerations": [{"operator": "Exists"}],
        "initContainers": [install],
        "containers": [_container(spec, image, mounted)],
        "volumes": [
            {"name": "run", "hostPath": {"path": "/run/flannel", "type": "DirectoryOrCreate"}},
            {"name": "cni", "hostPath": {"path": paths.CNI_CONF, "type": "DirectoryOrCreate"}},
            {"name": "config", "configMap": {"name": _CONFIG}},
            {
                "name": "xtables-lock",
                "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"},
            },
        ],
    }


def _container(spec: Spec, image: str, config: Document | dict[str, str]) -> Document:
    def field(name: str, path: str) -> Document:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    def probe(path: str, delay: int, period: int) -> Document:
        get: Document = {"path": path, "port": _HEALTH_PORT, "scheme": "HTTP"}
        return {"httpGet": get, "initialDelaySeconds": delay, "periodSeconds": period}

    return {
        "name": "kube-flannel",
        "image": image,
        "command": ["/opt/bin/flanneld"],
        "args": [
            "--ip-masq",
            "--kube-subnet-mgr",
            f"--healthz-port={_HEALTH_PORT}",
            "--iface=$(HOST_IP)",
        ],
        "env": [
            field("POD_NAME", "metadata.name"),
            field("POD_NAMESPACE", "metadata.namespace"),
            field("HOST_IP", "status.hostIP"),
            *api_environment(spec),
            {"name": "EVENT_QUEUE_DEPTH", "value": "5000"},
            {"name": "CONT_WHEN_CACHE_NOT_READY", "value": "false"},
        ],
        "livenessProbe": probe("/healthz", 10, 30),
        "readinessProbe": probe("/readyz", 5, 10),
        "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
        "securityContext": {
            "privileged": False,
            "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]},
        },
        "volumeMounts": [
            {"name": "run", "mountPath": "/run/flannel"},
            config,
            {"name": "xtables-lock", "mountPath": "/run/xtables.lock"},
        ],
    }
