"""Where things live on the hosts. Paths that kubeadm fixes are the same as kubeadm's own."""

from __future__ import annotations

from typing import Final

BIN: Final = "/usr/local/bin"
CNI_BIN: Final = "/opt/cni/bin"
CNI_CONF: Final = "/etc/cni/net.d"
# Configuration that kanae writes and nothing else reads by default.
KANAE: Final = "/etc/kanae"
PATCHES: Final = f"{KANAE}/patches"
# Records (marks) and files kept between runs, such as image archives.
STATE: Final = "/var/lib/kanae"
UNITS: Final = "/etc/systemd/system"

KUBERNETES: Final = "/etc/kubernetes"
PKI: Final = f"{KUBERNETES}/pki"
ETCD_PKI: Final = f"{PKI}/etcd"
MANIFESTS: Final = f"{KUBERNETES}/manifests"
ADMIN_CONF: Final = f"{KUBERNETES}/admin.conf"
KUBELET: Final = "/var/lib/kubelet"
KUBELET_CONFIG: Final = f"{KUBELET}/config.yaml"

CONTAINERD_CONFIG: Final = "/etc/containerd/config.toml"
CONTAINERD_REGISTRIES: Final = "/etc/containerd/certs.d"
CONTAINERD_UNIT: Final = "containerd.service"
CRI_SOCKET: Final = "unix:///run/containerd/containerd.sock"
CRICTL_CONFIG: Final = "/etc/crictl.yaml"

KUBELET_UNIT: Final = "kubelet.service"
KUBELET_DROPIN: Final = f"{UNITS}/{KUBELET_UNIT}.d/10-kubeadm.conf"
KUBELET_PATCH: Final = f"{PATCHES}/kubeletconfiguration0+merge.yaml"
API_SERVER_PATCH: Final = f"{PATCHES}/kube-apiserver0+strategic.yaml"

ETCD_UNIT: Final = "etcd.service"
ETCD_CONFIG: Final = f"{KANAE}/etcd.yaml"
ETCD_CA: Final = f"{ETCD_PKI}/ca.crt"
ETCD_SERVER: Final = f"{ETCD_PKI}/server.crt"
ETCD_PEER: Final = f"{ETCD_PKI}/peer.crt"
# What the API server and kanae's own probes show to etcd; keys beside them with suffix .key.
ETCD_API_CLIENT: Final = f"{PKI}/apiserver-etcd-client.crt"
ETCD_PROBE_CLIENT: Final = f"{ETCD_PKI}/healthcheck-client.crt"

ETCD_BALANCER_UNIT: Final = "kanae-etcd-balancer.service"
ETCD_BALANCER_CONFIG: Final = f"{KANAE}/etcd-balancer.cfg"
ETCD_BALANCER_PORT: Final = 2378

GATE_UNIT: Final = "kanae-apiserver-gate.service"
GATE_SCRIPT: Final = f"{KANAE}/apiserver-gate.sh"
SHUTDOWN_UNIT: Final = "kanae-shutdown.service"
SHUTDOWN_SCRIPT: Final = f"{KANAE}/shutdown.sh"

SYSCTL_CONFIG: Final = "/etc/sysctl.d/90-kanae.conf"
MODULES_CONFIG: Final = "/etc/modules-load.d/kanae.conf"


def balancer_unit(cluster: str) -> str:
    """One unit for each cluster, so that several on one balancer host do not disturb each other."""
    return f"kanae-balancer-{cluster}.service"


def balancer_config(cluster: str) -> str:
    """haproxy's or nginx's configuration of one cluster."""
    return f"{KANAE}/balancer-{cluster}.cfg"


def balancer_pid(cluster: str) -> str:
    return f"/run/kanae-balancer-{cluster}.pid"


def haproxy_socket(cluster: str) -> str:
    """Where haproxy tells the state of its backends, to root only."""
    return f"/run/kanae-haproxy-{cluster}.sock"


def keepalived_unit(cluster: str) -> str:
    return f"kanae-keepalived-{cluster}.service"


def keepalived_config(cluster: str) -> str:
    return f"{KANAE}/keepalived-{cluster}.conf"


def keepalived_check(cluster: str) -> str:
    """The script by which keepalived learns whether this host's balancer runs."""
    return f"{KANAE}/keepalived-check-{cluster}.sh"
