"""What checks ask of a host, and what they probe actively."""

from __future__ import annotations

from ipaddress import IPv4Address

from kanae.errors import ConnectError
from kanae.facts.model import Facts, Query
from kanae.facts.probe import ProbeQuery
from kanae.layout import families, units
from kanae.layout import paths as at
from kanae.layout.runtimes import RUNTIMES
from kanae.plan import certificates
from kanae.plan.answering import may_bind, may_have
from kanae.plan.hosts import TYPICAL
from kanae.plan.system import OVERRULABLE
from kanae.render import system
from kanae.spec.models import Role, Spec
from kanae.transport.target import dialled
from kanae.verify.backups import backup_query
from kanae.verify.checks import endpoint
from kanae.verify.checks.dns import resolv_conf

# Of kubeadm clusters, and of other ways to a cluster that keep their own place.
LEFTOVERS = (
    at.ADMIN_CONF,
    at.KUBELET_CONF,
    at.BOOTSTRAP_KUBELET_CONF,
    f"{at.MANIFESTS}/kube-apiserver.yaml",
    f"{at.MANIFESTS}/kube-controller-manager.yaml",
    f"{at.MANIFESTS}/kube-scheduler.yaml",
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
    name = spec.endpoint.name
    folders: tuple[str, ...] = ()
    if node:
        folders = tuple(folder for each in RUNTIMES for folder in (each.containers, each.images))
        folders = (at.CNI_CONF, *folders)
    balancer = (at.balancer_config(spec.name), at.keepalived_config(spec.name))
    files = LEFTOVERS if node or Role.ETCD in roles else ()
    if spec.etcd_role in roles:
        files = (*files, f"{spec.etcd.data_dir}/member")
        folders = (*folders, str(spec.etcd.data_dir))
    backups, held = backup_query(spec, host), certificates.query(spec, host)
    return Query(
        files=(*files, *held.files),
        certificates=held.certificates,
        contents=(
            *((at.CONTAINERD_CONFIG, at.KUBELET_CONFIG, *_resolv_conf(spec, host)) if node else ()),
            *(balancer if Role.LOAD_BALANCER in roles else ()),
        ),
        folders=(*folders, *backups.folders),
        units=(
            *families.FIREWALLS,
            *OVERRULABLE,
            units.balancer(spec.name),
            units.RESOLVED,
            *backups.units,
        ),
        packages=families.RUNTIMES if node else (),
        sysctls=tuple(system.sysctls(spec, host, TYPICAL)),
        cluster=master,
        names=(name,) if name is not None and host in spec.having(*endpoint.USERS) else (),
        address=str(spec.hosts[host].address),
        disks=("/", "/var/lib", str(spec.etcd.data_dir)),
    )


def _resolv_conf(spec: Spec, host: str) -> tuple[str, ...]:
    path = resolv_conf(spec, host)
    return (path,) if path else ()


def probe_query(spec: Spec, host: str, facts: Facts) -> ProbeQuery:
    """Control-plane and etcd hosts measure the way to each other; others the way to them. facts:
    of all hosts that answered."""
    peers = {
        name: (spec.hosts[name].address, ssh_port(spec, name, facts))
        for name in spec.having(Role.CONTROL_PLANE, Role.ETCD)
        if name != host
    }
    return ProbeQuery(
        peers,
        str(spec.etcd.data_dir) if host in spec.etcd_hosts else None,
        at.CONTAINERD_STATE if host in spec.nodes else None,
        vacant(spec, facts) if Role.LOAD_BALANCER in spec.hosts[host].roles else (),
    )


def vacant(spec: Spec, facts: Facts) -> tuple[IPv4Address, ...]:
    """The virtual addresses that no balancer has been told of, and so nobody may have."""
    there = [facts.hosts[name] for name in spec.having(Role.LOAD_BALANCER) if name in facts.hosts]
    return tuple(
        each.address
        for each in spec.virtual_addresses
        if not any(may_have(spec.name, host, each.address) for host in there)
    )


def taking(spec: Spec, facts: Facts) -> tuple[str, ...]:
    """Balancers that are to answer at an address that nobody may have yet, or at a port that is not
    theirs yet."""
    addresses = vacant(spec, facts)
    return tuple(
        name
        for name in spec.having(Role.LOAD_BALANCER)
        if name in facts.hosts
        and (
            addresses
            or not all(may_bind(spec.name, facts.hosts[name], port) for port in spec.balanced_ports)
        )
    )


def ssh_port(spec: Spec, host: str, facts: Facts) -> int:
    """The port at which other hosts find its sshd: that which it listens on, if kanae came in by
    another (forwarded by a router, for example), else that by which kanae came in."""
    try:
        _, port = dialled(spec, host)
    except ConnectError:
        return SSH_PORT  # the host is not among those that answered
    if host not in facts.hosts:
        return port
    tcp = [each for each in facts.hosts[host].base.listeners if each.protocol == "tcp"]
    if any(each.port == port for each in tcp):
        return port
    return next((each.port for each in tcp if each.process == "sshd"), port)
