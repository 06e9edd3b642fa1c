"""Taking a node out of its cluster, by kubectl on a control-plane host."""

from __future__ import annotations

import json

from kanae.execute.scripts.programs import KUBECTL
from kanae.facts.nodes import CORDONED
from kanae.resources.model import quote

# kubernetes.io/docs/concepts/cluster-administration/node-shutdown, non-graceful node shutdown.
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
# What `release_volumes` prints when there is no such node.
GONE = "no-such-node"


def get(node: str) -> str:
    """The Node object as JSON, nothing when there is none."""
    return f"{KUBECTL} --request-timeout=10s get node {quote(node)} -o json --ignore-not-found"


def cordon(node: str) -> str:
    return f"{KUBECTL} cordon {quote(node)} >/dev/null"


def set_aside(node: str) -> str:
    """Cordon a node, and let its annotation say that this is kanae's doing."""
    return _patched(node, {"annotations": {CORDONED: "upgrade"}}, unschedulable=True)


def uncordon(node: str) -> str:
    return _patched(node, {"annotations": {CORDONED: None}}, unschedulable=None)


def _patched(node: str, metadata: object, *, unschedulable: bool | None) -> str:
    """Both at once, or a kill between them would leave one without the other."""
    patch = json.dumps({"metadata": metadata, "spec": {"unschedulable": unschedulable}})
    return f"{KUBECTL} patch node {quote(node)} --type=merge -p {quote(patch)} >/dev/null"


def drain(node: str, limit: int) -> str:
    """Evict for `limit` seconds. Pods of DaemonSets and mirror pods are passed over, those without
    a controller are an error: nobody would start them again."""
    return (
        f"{KUBECTL} drain {quote(node)} --ignore-daemonsets --delete-emptydir-data"
        f" --timeout={limit}s >/dev/null"
    )


def pods(node: str) -> str:
    """All pods that are bound to the node, as JSON."""
    return f"{KUBECTL} --request-timeout=10s get pods -A --field-selector {_on(node)} -o json"


def budgets() -> str:
    """All PodDisruptionBudgets, as JSON."""
    return f"{KUBECTL} --request-timeout=10s get poddisruptionbudgets -A -o json"


def release_volumes(node: str) -> str:
    return (
        f"node=$({KUBECTL} get node {quote(node)} -o name --ignore-not-found) || exit\n"
        f'[ -n "$node" ] || {{ echo {GONE}; exit 0; }}\n'
        f"{KUBECTL} taint node {quote(node)} {OUT_OF_SERVICE} --overwrite >/dev/null"
    )


def attached(node: str) -> str:
    """Names of the persistent volumes that are attached to the node, one a line."""
    path = (
        f'{{range .items[?(@.spec.nodeName=="{node}")]}}'
        '{.spec.source.persistentVolumeName}{"\\n"}{end}'
    )
    return f"{KUBECTL} --request-timeout=10s get volumeattachments -o jsonpath={quote(path)}"


def delete(node: str) -> str:
    """The Node goes, then what is left of its pods: mirror pods, and those that nobody ends any
    more. The garbage collector of pods takes a minute for it, and a mirror pod of etcd is a member
    to kubeadm for so long (cmd/kubeadm/app/util/etcd/etcd.go)."""
    return (
        f"{KUBECTL} delete node {quote(node)} --ignore-not-found --timeout=30s || exit\n"
        f"{KUBECTL} delete pods -A --field-selector {_on(node)} --ignore-not-found"
        " --force --grace-period=0 --wait=false 2>&1"
    )


def _on(node: str) -> str:
    return quote(f"spec.nodeName={node}")
