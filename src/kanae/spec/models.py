"""The spec: the desired state of one cluster, as typed models (pydantic, camelCase in YAML).

These are shapes and single-value rules only. Rules that need several fields are in
`kanae.spec.rules`; loading with file:line:column errors is in `kanae.spec.load`.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, Final

from pydantic import Field

from kanae.layout import ports
from kanae.spec.backup import Backup
from kanae.spec.balancer import (
    Balancer,
    Endpoint,
    FormerEndpoint,
    HealthCheck,
    InCluster,
    LoadBalancer,
    VirtualAddress,
    Vrrp,
)  # fmt: skip
from kanae.spec.base import Model
from kanae.spec.host import Host, Power, Role, Ssh, Sudo, Taint
from kanae.spec.networks import Dns, Networks, PodNetwork, PodNetworkProvider
from kanae.spec.source import Artifacts, ArtifactSource, ImageArchive, Manifest, Mirror
from kanae.spec.text import ClusterName, HostCount, HostName, Version

__all__ = [
    "ApiServer", "ArtifactSource", "Artifacts", "Backup", "Balancer", "ComponentArgs", "Dns",
    "Endpoint", "Etcd", "EtcdTopology", "FormerEndpoint", "HealthCheck", "Host", "ImageArchive",
    "InCluster", "KubeProxy", "LoadBalancer", "Manifest", "Mirror", "Model", "Networks",
    "PodNetwork", "PodNetworkProvider", "Policies", "Power", "ProxyMode", "Role", "Spec", "Ssh",
    "Sudo", "SwapPolicy", "Taint", "VirtualAddress", "Vrrp",
]  # fmt: skip


class EtcdTopology(StrEnum):
    """stacked: a static pod on each control-plane host; external: run by systemd."""

    STACKED = "stacked"
    EXTERNAL = "external"


class Etcd(Model):
    """The store of the cluster's state."""

    topology: EtcdTopology | None = Field(
        default=None, description="Default: external when a host holds the etcd role, else stacked."
    )
    data_dir: PurePosixPath = Field(
        default=PurePosixPath("/var/lib/etcd"),
        description="Absolute path; on a disk that syncs fast.",
    )
    heartbeat_interval: Annotated[int, Field(ge=10, le=5000, description="milliseconds")] = 100
    election_timeout: Annotated[int, Field(ge=50, le=50000, description="milliseconds")] = 600
    extra_args: dict[str, str] = Field(
        default_factory=dict, description="Arguments of etcd, without leading dashes."
    )


class ComponentArgs(Model):
    """Extra command-line arguments of a control-plane component, without leading dashes."""

    extra_args: dict[str, str] = Field(
        default_factory=dict, description="Name of an argument -> its value."
    )


class ApiServer(ComponentArgs):
    """kube-apiserver, the same on every control-plane host."""

    cert_sans: list[str] = Field(
        default_factory=list,
        description="Further addresses and names for its certificate, beside those of the spec.",
    )


class ProxyMode(StrEnum):
    """nftables wants Linux 5.13 or later."""

    IPTABLES = "iptables"
    NFTABLES = "nftables"


class KubeProxy(Model):
    """kube-proxy, the same on every node."""

    mode: ProxyMode = ProxyMode.NFTABLES
    settings: dict[str, object] = Field(
        default_factory=dict, description="KubeProxyConfiguration fields."
    )


class SwapPolicy(StrEnum):
    """off: turn it off; tolerate: kubelet lives with it; refuse: stop at a host that has it."""

    OFF = "off"
    TOLERATE = "tolerate"
    REFUSE = "refuse"


class Policies(Model):
    """How kanae treats hosts."""

    swap: SwapPolicy = SwapPolicy.REFUSE
    allow_cgroup_v1: bool = Field(
        default=True, description="Tell kubelet >= 1.35 to accept hosts that still run cgroup v1."
    )
    parallel_hosts: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=50, description="Hosts worked on at once."
    )
    max_unavailable_workers: HostCount = Field(
        default="10%",
        description="Workers on which kubelet or the container runtime may restart at once: a "
        "number or a percentage, rounded down, of which one is the least.",
    )
    drain_timeout: Annotated[float, Field(gt=0, le=86400)] = Field(
        default=600.0,
        description="Seconds that the pods of a node that leaves have to move to other nodes.",
    )
    destructive_drills: bool = Field(
        default=False,
        description="The cluster is there for drills: also those may be run that destroy etcd's "
        "data or whole hosts, and restore a backup.",
    )

    def workers_at_once(self, workers: int) -> int:
        """How many of so many workers may be unavailable together; at least 1."""
        said = self.max_unavailable_workers
        share = workers * int(said[:-1]) // 100 if said.endswith("%") else int(said)
        return max(1, share)


# Key, effect and value of kubeadm's own.
CONTROL_PLANE_TAINT: Final = ("node-role.kubernetes.io/control-plane", "NoSchedule", "")


class Spec(Model):
    """One cluster."""

    name: ClusterName = Field(description="Of the cluster, in kubeconfig and on this machine.")
    kubernetes: Version = Field(description="A full version such as v1.37.2.")
    hosts: Annotated[dict[HostName, Host], Field(min_length=1)] = Field(
        description="Host name -> host. Nodes have this name too."
    )
    ssh: Ssh = Ssh()
    endpoint: Endpoint = Endpoint()
    load_balancer: LoadBalancer = LoadBalancer()
    etcd: Etcd = Etcd()
    networks: Networks = Networks()
    dns: Dns = Dns()
    api_server: ApiServer = ApiServer()
    controller_manager: ComponentArgs = ComponentArgs()
    scheduler: ComponentArgs = ComponentArgs()
    kube_proxy: KubeProxy = KubeProxy()
    kubelet: dict[str, object] = Field(
        default_factory=dict, description="KubeletConfiguration fields for every node."
    )
    artifacts: Artifacts = Artifacts()
    images: list[ImageArchive] = Field(
        default_factory=list[ImageArchive],
        description="Loaded onto nodes before anything runs there.",
    )
    policies: Policies = Policies()
    backup: Backup = Backup()

    def having(self, *roles: Role) -> tuple[str, ...]:
        """Names of the hosts that hold any of these roles, in the order of the file."""
        return tuple(n for n, h in self.hosts.items() if any(r in h.roles for r in roles))

    def ssh_of(self, name: str) -> Ssh:
        """How to reach a host: the cluster's ssh with the host's own fields laid over it."""
        own = self.hosts[name].ssh
        if own is None:
            return self.ssh
        said = {field: getattr(own, field) for field in own.model_fields_set}
        return self.ssh.model_copy(update=said)

    def taints_of(self, name: str) -> tuple[Taint, ...]:
        """Taints of a node: the host's own, else NoSchedule on control plane without worker."""
        host = self.hosts[name]
        if host.taints is not None:
            return tuple(host.taints)
        if Role.CONTROL_PLANE in host.roles and Role.WORKER not in host.roles:
            key, effect, _ = CONTROL_PLANE_TAINT
            return (Taint(key=key, effect=effect),)
        return ()

    @property
    def dns_hosts(self) -> tuple[str, ...]:
        """Nodes whose taints CoreDNS tolerates as kubeadm deploys it
        (cmd/kubeadm/app/phases/addons/dns/manifests.go of v1.37.2)."""
        return tuple(
            name
            for name in self.nodes
            if all(
                taint.effect == "PreferNoSchedule"
                or taint.key == "CriticalAddonsOnly"
                or (taint.key, taint.effect, taint.value or "") == CONTROL_PLANE_TAINT
                for taint in self.taints_of(name)
            )
        )

    def kubelet_of(self, name: str) -> dict[str, object]:
        """KubeletConfiguration fields of a node: the cluster's, then the host's over them."""
        return {**self.kubelet, **self.hosts[name].kubelet}

    @property
    def nodes(self) -> tuple[str, ...]:
        """Hosts that are Kubernetes nodes: control plane and workers."""
        return self.having(Role.CONTROL_PLANE, Role.WORKER)

    @property
    def etcd_role(self) -> Role:
        """The role whose hosts hold etcd's members."""
        external = self.etcd_topology is EtcdTopology.EXTERNAL
        return Role.ETCD if external else Role.CONTROL_PLANE

    @property
    def etcd_hosts(self) -> tuple[str, ...]:
        """Hosts with an etcd member: of the role when external, control-plane ones when stacked."""
        return self.having(self.etcd_role)

    @property
    def version(self) -> str:
        """Kubernetes version with its leading v, as in v1.37.2."""
        return "v" + self.kubernetes.removeprefix("v")

    @property
    def etcd_topology(self) -> EtcdTopology:
        if self.etcd.topology is not None:
            return self.etcd.topology
        return EtcdTopology.EXTERNAL if self.having(Role.ETCD) else EtcdTopology.STACKED

    @property
    def endpoint_address(self) -> IPv4Address:
        """The endpoint's address: said, virtual, the one balancer's, or the first master's."""
        if self.endpoint.address is not None:
            return self.endpoint.address
        if self.load_balancer.virtual_address is not None:
            return self.load_balancer.virtual_address.address
        holders = self.having(Role.LOAD_BALANCER) or self.having(Role.CONTROL_PLANE)
        return self.hosts[holders[0]].address

    @property
    def virtual_addresses(self) -> tuple[VirtualAddress, ...]:
        """All that keepalived moves between the balancers: the endpoint's, and former ones."""
        now = self.load_balancer.virtual_address
        former = (
            VirtualAddress(address=each.address, **each.vrrp.model_dump())
            for each in self.endpoint.former
            if each.vrrp is not None
        )
        return (*(() if now is None else (now,)), *former)

    def is_api_server(self, address: IPv4Address, port: int) -> bool:
        """Whether a control-plane host's own API server answers there, and no balancer."""
        masters = (self.hosts[name].address for name in self.having(Role.CONTROL_PLANE))
        return port == ports.API_SERVER and address in masters

    @property
    def balanced_ports(self) -> tuple[int, ...]:
        """Where every balancer answers, on all addresses that it has; each port once."""
        places = [
            (self.endpoint_address, self.endpoint.port),
            *((each.address, each.port) for each in self.endpoint.former),
        ]
        balanced = (port for address, port in places if not self.is_api_server(address, port))
        return tuple(dict.fromkeys(balanced))

    @property
    def balancer_addresses(self) -> tuple[IPv4Address, ...]:
        """Virtual, said or their own; () where the endpoint is an API server itself."""
        if self.is_api_server(self.endpoint_address, self.endpoint.port):
            return ()
        if self.endpoint.address is not None or self.load_balancer.virtual_address is not None:
            return (self.endpoint_address,)
        return tuple(self.hosts[name].address for name in self.having(Role.LOAD_BALANCER))

    @property
    def in_cluster(self) -> InCluster:
        """Several addresses are no default: nobody takes a dead balancer's off the Service."""
        one = len(self.balancer_addresses) == 1
        return self.endpoint.in_cluster or (InCluster.BALANCER if one else InCluster.MASTERS)

    @property
    def endpoint_host(self) -> str:
        """What clients put into the URL: the DNS name if there is one, else the address."""
        return self.endpoint.name or str(self.endpoint_address)
