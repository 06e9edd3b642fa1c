"""Where things live on the hosts. Paths that kubeadm fixes are the same as kubeadm's own.

Names ending in _UNIT are paths of unit files, others (ETCD_BALANCER, GATE, ...) names of units.
"""

from __future__ import annotations

from typing import Final

from kanae.spec.models import Spec

BIN: Final = "/usr/local/bin"
CNI_BIN: Final = "/opt/cni/bin"
CNI_CONF: Final = "/etc/cni/net.d"
# Configuration that kanae writes and nothing else reads by default.
KANAE: Final = "/etc/kanae"
PATCHES: Final = f"{KANAE}/patches"
# Records (marks) and files kept between runs, such as image archives.
STATE: Final = "/var/lib/kanae"
UNITS: Final = "/etc/systemd/system"
SYSCTLS: Final = "/etc/sysctl.d/90-kanae.conf"
MODULES: Final = "/etc/modules-load.d/kanae.conf"

KUBERNETES: Final = "/etc/kubernetes"
PKI: Final = f"{KUBERNETES}/pki"
ETCD_PKI: Final = f"{PKI}/etcd"
MANIFESTS: Final = f"{KUBERNETES}/manifests"
ADMIN_CONF: Final = f"{KUBERNETES}/admin.conf"
KUBELET_CONF: Final = f"{KUBERNETES}/kubelet.conf"
BOOTSTRAP_KUBELET_CONF: Final = f"{KUBERNETES}/bootstrap-kubelet.conf"
KUBEADM_CONFIG: Final = f"{KANAE}/kubeadm.yaml"

CONTAINERD_CONFIG: Final = "/etc/containerd/config.toml"
CONTAINERD_REGISTRIES: Final = "/etc/containerd/certs.d"
CONTAINERD: Final = "containerd.service"
CONTAINERD_UNIT: Final = f"{UNITS}/{CONTAINERD}"
CRI_SOCKET: Final = "unix:///run/containerd/containerd.sock"
CRICTL_CONFIG: Final = "/etc/crictl.yaml"

KUBELET: Final = "kubelet.service"
KUBELET_UNIT: Final = f"{UNITS}/{KUBELET}"
KUBELET_DROPIN: Final = f"{UNITS}/{KUBELET}.d/10-kubeadm.conf"
KUBELET_STATE: Final = "/var/lib/kubelet"
KUBELET_CONFIG: Final = f"{KUBELET_STATE}/config.yaml"
KUBELET_PATCH: Final = f"{PATCHES}/kubeletconfiguration0+merge.yaml"
API_SERVER_PATCH: Final = f"{PATCHES}/kube-apiserver0+strategic.yaml"

ETCD: Final = "etcd.service"
ETCD_UNIT: Final = f"{UNITS}/{ETCD}"
ETCD_CONFIG: Final = f"{KANAE}/etcd.yaml"
ETCD_CA: Final = f"{ETCD_PKI}/ca.crt"
# Certificates; each key lies beside its certificate with the suffix .key.
ETCD_SERVER: Final = f"{ETCD_PKI}/server.crt"
ETCD_PEER: Final = f"{ETCD_PKI}/peer.crt"
# What the API server shows to etcd.
ETCD_API_CLIENT: Final = f"{PKI}/apiserver-etcd-client.crt"

ETCD_BALANCER: Final = "kanae-etcd-balancer.service"
ETCD_BALANCER_UNIT: Final = f"{UNITS}/{ETCD_BALANCER}"
ETCD_BALANCER_CONFIG: Final = f"{KANAE}/etcd-balancer.cfg"
ETCD_BALANCER_PORT: Final = 2378

GATE: Final = "kanae-apiserver-gate.service"
GATE_UNIT: Final = f"{UNITS}/{GATE}"
GATE_SCRIPT: Final = f"{KANAE}/apiserver-gate.sh"

# On control-plane hosts: an orderly end of the API server when the host is shut down.
SHUTDOWN: Final = "kanae-shutdown.service"
SHUTDOWN_UNIT: Final = f"{UNITS}/{SHUTDOWN}"
SHUTDOWN_SCRIPT: Final = f"{KANAE}/shutdown.sh"


def key(certificate: str) -> str:
    """Path of the private key that belongs to a certificate's path."""
    return certificate.removesuffix(".crt") + ".key"


def balancer_unit(cluster: str) -> str:
    """One unit for each cluster, so that several on one balancer host do not disturb each other."""
    return f"kanae-balancer-{cluster}.service"


def balancer_config(spec: Spec) -> str:
    """haproxy's or nginx's configuration of one cluster."""
    return f"{KANAE}/balancer-{spec.name}.cfg"


def balancer_pid(cluster: str) -> str:
    return f"/run/kanae-balancer-{cluster}.pid"


def haproxy_socket(cluster: str) -> str:
    """Where haproxy tells the state of its backends, to root only."""
    return f"/run/kanae-haproxy-{cluster}.sock"


def keepalived_unit(cluster: str) -> str:
    return f"kanae-keepalived-{cluster}.service"


def keepalived_config(spec: Spec) -> str:
    return f"{KANAE}/keepalived-{spec.name}.conf"
