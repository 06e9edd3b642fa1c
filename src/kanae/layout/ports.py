"""Ports that Kubernetes, etcd and kanae's own programs listen on, by role. TCP where nothing else
is said.

Sources: kubernetes.io/docs/reference/networking/ports-and-protocols; etcd's defaults, with
kubeadm's 2381 for etcd's metrics (cmd/kubeadm/app/constants/constants.go EtcdMetricsPort).
"""

from __future__ import annotations

from typing import Final

API_SERVER: Final = 6443
ETCD_CLIENT: Final = 2379
ETCD_PEER: Final = 2380
ETCD_METRICS: Final = 2381
# kanae's own, on 127.0.0.1 of control-plane hosts in front of external etcd.
ETCD_BALANCER: Final = 2378
# On 127.0.0.1 for minutes: of a member that is tried out beside the living one.
ETCD_SCRATCH: Final = 2376
ETCD_SCRATCH_PEER: Final = 2377
KUBELET: Final = 10250
KUBELET_HEALTHZ: Final = 10248
PROXY_METRICS: Final = 10249
PROXY_HEALTHZ: Final = 10256
CONTROLLER_MANAGER: Final = 10257
SCHEDULER: Final = 10259
# --service-node-port-range's default; the end is excluded.
NODE_PORTS: Final = range(30000, 32768)

OF_NODE: Final = {
    KUBELET: "kubelet",
    KUBELET_HEALTHZ: "kubelet",
    PROXY_METRICS: "kube-proxy",
    PROXY_HEALTHZ: "kube-proxy",
}
OF_CONTROL_PLANE: Final = {
    API_SERVER: "the API server",
    CONTROLLER_MANAGER: "kube-controller-manager",
    SCHEDULER: "kube-scheduler",
    ETCD_BALANCER: "the balancer in front of etcd",
}
OF_ETCD: Final = {ETCD_CLIENT: "etcd", ETCD_PEER: "etcd", ETCD_METRICS: "etcd"}

_TICKLE: Final = 11200


def tickle(router_id: int) -> int:
    """UDP, 11201 to 11455: where balancers of a virtual address tell each other of its clients. By
    its VRRP router id, which is unique in the hosts' network, so that several clusters on one
    balancer host have each their own."""
    return _TICKLE + router_id
