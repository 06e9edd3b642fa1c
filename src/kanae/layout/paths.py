"""Where things live on the hosts. Paths that kubeadm fixes are the same as kubeadm's own."""

from __future__ import annotations

from typing import Final

from kanae.layout import units

BIN: Final = "/usr/local/bin"
CNI_BIN: Final = "/opt/cni/bin"
CNI_CONF: Final = "/etc/cni/net.d"
# Configuration that kanae writes and nothing else reads by default.
KANAE: Final = "/etc/kanae"
PATCHES: Final = f"{KANAE}/patches"
# Records (marks) and files kept between runs, such as image archives.
STATE: Final = "/var/lib/kanae"
HASHES: Final = f"{STATE}/hashes"
IMAGES: Final = f"{STATE}/images"
LOGS: Final = f"{STATE}/log"
# Snapshots of etcd: those that are being restored, and of what was there before.
RESTORES: Final = f"{STATE}/restores"
# Of a member of etcd that is tried out beside the living one.
SCRATCH: Final = f"{STATE}/scratch"
# etcd's snapshots while they are on their way into a backup.
SNAPSHOTS: Final = f"{STATE}/snapshots"
# Names of units that kanae masked while it installed a package that would start them.
MASKED: Final = f"{STATE}/masked"
# What was on a host before kanae: a list of paths and units, copies of files that kanae replaces.
FOUND: Final = f"{STATE}/found"
FOUND_LIST: Final = f"{FOUND}/list"
FOUND_FILES: Final = f"{FOUND}/files"
# Names of network namespaces of pods, while a reset takes them away.
NETWORK_NAMESPACES: Final = f"{STATE}/network-namespaces"
# Gone at the next boot: locks, the lease, configuration with secrets while kubeadm reads it.
RUN: Final = "/run/kanae"
KUBECTL_CACHE: Final = f"{RUN}/kubectl"
KUBEADM_LOCK: Final = f"{RUN}/kubeadm.lock"
# etcd.yaml, with what a first start needs; put together when etcd starts.
ETCD_RUNNING: Final = f"{RUN}/etcd.yaml"
LEASE: Final = f"{RUN}/lease"
BACKUP_LOCK: Final = f"{RUN}/backup.lock"
UNITS: Final = "/etc/systemd/system"
SYSCTLS: Final = "/etc/sysctl.d/90-kanae.conf"
MODULES: Final = "/etc/modules-load.d/kanae.conf"
FSTAB: Final = "/etc/fstab"

RESOLV_CONF: Final = "/etc/resolv.conf"
# systemd-resolved's own list, without its stub on 127.0.0.53.
RESOLVED_CONF: Final = "/run/systemd/resolve/resolv.conf"

KUBERNETES: Final = "/etc/kubernetes"
PKI: Final = f"{KUBERNETES}/pki"
ETCD_PKI: Final = f"{PKI}/etcd"
MANIFESTS: Final = f"{KUBERNETES}/manifests"
# Static pods' manifests while a restore keeps them from running; of one file system with the above.
FENCED: Final = f"{KUBERNETES}/fenced"
ETCD_MANIFEST: Final = f"{MANIFESTS}/etcd.yaml"
SERVICE_ACCOUNT_PUBLIC: Final = f"{PKI}/sa.pub"
ADMIN_CONF: Final = f"{KUBERNETES}/admin.conf"
SUPER_ADMIN_CONF: Final = f"{KUBERNETES}/super-admin.conf"
CONTROLLER_MANAGER_CONF: Final = f"{KUBERNETES}/controller-manager.conf"
SCHEDULER_CONF: Final = f"{KUBERNETES}/scheduler.conf"
KUBELET_CONF: Final = f"{KUBERNETES}/kubelet.conf"
BOOTSTRAP_KUBELET_CONF: Final = f"{KUBERNETES}/bootstrap-kubelet.conf"

CNI_STATE: Final = "/var/lib/cni"
CONTAINERD_STATE: Final = "/var/lib/containerd"
CONTAINERD_RUN: Final = "/run/containerd"
CONTAINERD_CONFIG: Final = "/etc/containerd/config.toml"
CONTAINERD_REGISTRIES: Final = "/etc/containerd/certs.d"
CONTAINERD_UNIT: Final = f"{UNITS}/{units.CONTAINERD}"
CONTAINERD_SOCKET: Final = f"{CONTAINERD_RUN}/containerd.sock"
CRI_SOCKET: Final = f"unix://{CONTAINERD_SOCKET}"
CRICTL_CONFIG: Final = "/etc/crictl.yaml"

KUBELET_UNIT: Final = f"{UNITS}/{units.KUBELET}"
KUBELET_DROPIN: Final = f"{UNITS}/{units.KUBELET}.d/10-kubeadm.conf"
KUBELET_STATE: Final = "/var/lib/kubelet"
KUBELET_CONFIG: Final = f"{KUBELET_STATE}/config.yaml"
KUBELET_FLAGS: Final = f"{KUBELET_STATE}/kubeadm-flags.env"
KUBELET_PATCH: Final = f"{PATCHES}/kubeletconfiguration0+merge.yaml"
API_SERVER_PATCH: Final = f"{PATCHES}/kube-apiserver0+strategic.yaml"
COREDNS_PATCH: Final = f"{PATCHES}/corednsdeployment0+json.yaml"

ETCD_UNIT: Final = f"{UNITS}/{units.ETCD}"
ETCD_CONFIG: Final = f"{KANAE}/etcd.yaml"
# Read only by a member that has no data yet, see render/etcd.py.
ETCD_BOOTSTRAP: Final = f"{KANAE}/etcd-bootstrap.yaml"
ETCD_CA: Final = f"{ETCD_PKI}/ca.crt"
# Certificates; each key lies beside its certificate with the suffix .key.
ETCD_SERVER: Final = f"{ETCD_PKI}/server.crt"
ETCD_PEER: Final = f"{ETCD_PKI}/peer.crt"
# Shown by whoever asks a member how it is; kubeadm makes it for a stacked one.
ETCD_PROBE: Final = f"{ETCD_PKI}/healthcheck-client.crt"
# What the API server shows to etcd, its clients, kubelets and aggregated API servers.
ETCD_API_CLIENT: Final = f"{PKI}/apiserver-etcd-client.crt"
API_SERVER: Final = f"{PKI}/apiserver.crt"
API_KUBELET_CLIENT: Final = f"{PKI}/apiserver-kubelet-client.crt"
FRONT_PROXY_CLIENT: Final = f"{PKI}/front-proxy-client.crt"
# A link of kubelet's to the file that it uses, with the key in it; and what kanae issues for one
# whose own has ended. kubelet gives its files names with a time.
KUBELET_CLIENT: Final = f"{KUBELET_STATE}/pki/kubelet-client-current.pem"
KUBELET_ISSUED: Final = f"{KUBELET_STATE}/pki/kubelet-client-kanae.pem"

ETCD_BALANCER_UNIT: Final = f"{UNITS}/{units.ETCD_BALANCER}"
ETCD_BALANCER_CONFIG: Final = f"{KANAE}/etcd-balancer.cfg"
ETCD_BALANCER_PID: Final = "/run/kanae-etcd-balancer.pid"
ETCD_BALANCER_SOCKET: Final = "/run/kanae-etcd-balancer.sock"

ETCD_FAILOVER_UNIT: Final = f"{UNITS}/{units.ETCD_FAILOVER}"
ETCD_FAILOVER_SCRIPT: Final = f"{KANAE}/etcd-failover.sh"

GATE_UNIT: Final = f"{UNITS}/{units.GATE}"
GATE_SCRIPT: Final = f"{KANAE}/apiserver-gate.sh"

SHUTDOWN_UNIT: Final = f"{UNITS}/{units.SHUTDOWN}"
SHUTDOWN_SCRIPT: Final = f"{KANAE}/shutdown.sh"

BACKUP_UNIT: Final = f"{UNITS}/{units.BACKUP}"
BACKUP_TIMER_UNIT: Final = f"{UNITS}/{units.BACKUP_TIMER}"
BACKUP_SCRIPT: Final = f"{KANAE}/backup.sh"
# The spec as scheduled backups hold it.
BACKUP_SPEC: Final = f"{KANAE}/backup-spec.yaml"


def key(certificate: str) -> str:
    """Path of the private key that belongs to a certificate's path."""
    return certificate.removesuffix(".crt") + ".key"


def balancer_config(cluster: str) -> str:
    """haproxy's or nginx's configuration of one cluster."""
    return f"{KANAE}/balancer-{cluster}.cfg"


def balancer_pid(cluster: str) -> str:
    return f"/run/kanae-balancer-{cluster}.pid"


def watch_script(cluster: str) -> str:
    """Asks the API servers behind nginx whether they still move."""
    return f"{KANAE}/watch-{cluster}.sh"


def haproxy_socket(cluster: str) -> str:
    """Where haproxy tells the state of its backends, to root only."""
    return f"/run/kanae-haproxy-{cluster}.sock"


def haproxy_state(cluster: str) -> str:
    """Where haproxy's checks ask haproxy itself which API servers are ready."""
    return f"/run/kanae-haproxy-{cluster}-state.sock"


def keepalived_config(cluster: str) -> str:
    return f"{KANAE}/keepalived-{cluster}.conf"


def keepalived_run(cluster: str) -> str:
    """Its process id and state, without an ending."""
    return f"/run/kanae-keepalived-{cluster}"


def tickle_program(cluster: str) -> str:
    """Of each cluster its own, since on a shared balancer host another one may leave."""
    return f"{KANAE}/tickle-{cluster}.pl"
