"""What checks ask of a host, and what they probe actively."""

from __future__ import annotations

from kanae.facts.model import Query
from kanae.facts.probe import ProbeQuery
from kanae.layout import families, units
from kanae.layout import paths as at
from kanae.spec.models import Role, Spec

# Of kubeadm clusters, and of other ways to a cluster that keep their own place.
LEFTOVERS = (
    at.ADMIN_CONF,
    at.KUBELET_CONF,
    f"{at.MANIFESTS}/kube-apiserver.yaml",
    f"{at.MANIFESTS}/etcd.yaml",
    f"{at.PKI}/ca.crt",
    "/var/lib/rancher/k3s",
    "/var/lib/rancher/rke2",
    "/var/lib/k0s",
    "/var/snap/microk8s",
)
SSH_PORT = 22


def check_query(spec: Spec, host: str) -> Query:
    roles = spec.hosts[host].roles
    master = Role.CONTROL_PLANE in roles
    node = master or Role.WORKER in roles
    files = LEFTOVERS if node or Role.ETCD in roles else ()
    if spec.etcd_role in roles:
        files = (*files, f"{spec.etcd.data_dir}/member")
    return Query(
        files=files,
        contents=(at.CONTAINERD_CONFIG, at.KUBELET_CONFIG) if node else (),
        units=(*families.FIREWALLS, units.balancer(spec.name)),
        packages=families.RUNTIMES if node else (),
        sysctls=("net.ipv4.ip_forward",) if node else (),
        cluster=master,
        address=str(spec.hosts[host].address),
        disks=("/", "/var/lib", str(spec.etcd.data_dir)),
    )


def probe_query(spec: Spec, host: str) -> ProbeQuery:
    """Control-plane and etcd hosts measure the way to each other; others the way to them."""
    peers = {
        name: (spec.hosts[name].address, ssh_port(spec, name))
        for name in spec.having(Role.CONTROL_PLANE, Role.ETCD)
        if name != host
    }
    on_etcd = host in spec.etcd_hosts
    return ProbeQuery(peers, str(spec.etcd.data_dir) if on_etcd else None)


def ssh_port(spec: Spec, host: str) -> int:
    """The port on which a host certainly listens: kanae is connected to it."""
    own = spec.hosts[host].ssh
    return (own.port if own is not None else None) or spec.ssh.port or SSH_PORT
