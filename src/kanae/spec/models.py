"""The spec: the desired state of one cluster, as typed models (pydantic, camelCase in YAML).

These are shapes and single-value rules only. Rules that need several fields are in
`kanae.spec.rules`; loading with file:line:column errors is in `kanae.spec.load`.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field

from kanae.spec.base import Model
from kanae.spec.host import Host, Power, Role, Ssh, Sudo, Taint
from kanae.spec.text import (
    ClusterName,
    Digest,
    DomainName,
    Duration,
    FileName,
    HostName,
    InterfaceName,
    Port,
    Version,
)

__all__ = [
    "ApiServer", "ArtifactSource", "Artifacts", "Balancer", "ComponentArgs", "Endpoint", "Etcd",
    "EtcdTopology", "HealthCheck", "Host", "ImageArchive", "KubeProxy", "LoadBalancer",
    "Manifest", "Mirror", "Model", "Networks", "PodNetwork", "PodNetworkProvider", "Policies",
    "Power", "ProxyMode", "Role", "Spec", "Ssh", "Sudo", "SwapPolicy", "Taint", "VirtualAddress",
]  # fmt: skip


class Endpoint(Model):
    """Where clients reach the API: a balancer's address, a virtual address or the one host's."""

    address: IPv4Address | None = Field(
        default=None, description="Default: derived from the topology."
    )
    name: DomainName | None = Field(
        default=None, description="A DNS name that resolves to it, if any."
    )
    port: Port = 6443


class EtcdTopology(StrEnum):
    STACKED = "stacked"
    EXTERNAL = "external"


class Etcd(Model):
    topology: EtcdTopology | None = Field(
        default=None, description="Default: external when a host holds the etcd role, else stacked."
    )
    data_dir: PurePosixPath = PurePosixPath("/var/lib/etcd")
    heartbeat_interval: Annotated[int, Field(ge=10, le=5000, description="milliseconds")] = 100
    election_timeout: Annotated[int, Field(ge=50, le=50000, description="milliseconds")] = 1000
    extra_args: dict[str, str] = Field(default_factory=dict)


class Balancer(StrEnum):
    HAPROXY = "haproxy"
    NGINX = "nginx"


class HealthCheck(Model):
    """haproxy's active check of /readyz."""

    interval: Duration = "500ms"
    fast_interval: Duration = "200ms"
    timeout: Duration = "400ms"
    fall: Annotated[int, Field(ge=1)] = 2
    rise: Annotated[int, Field(ge=1)] = 3


class VirtualAddress(Model):
    """keepalived: one address that moves between the balancer hosts (VRRP version 3, unicast)."""

    address: IPv4Address
    router_id: Annotated[int, Field(ge=1, le=255)] = 51
    advertisement_interval: Annotated[float, Field(ge=0.05, le=10, description="seconds")] = 0.2
    interface: InterfaceName | None = Field(
        default=None, description="Default: the one with the host's address."
    )


class LoadBalancer(Model):
    kind: Balancer = Balancer.HAPROXY
    connect_timeout: Duration | None = Field(
        default=None, description="Default: measured best by kind."
    )
    check: HealthCheck = HealthCheck()
    virtual_address: VirtualAddress | None = None


class PodNetworkProvider(StrEnum):
    FLANNEL = "flannel"
    WEAVE = "weave"
    MANIFESTS = "manifests"
    NONE = "none"


class Manifest(Model):
    """A file of Kubernetes objects by path (relative to the spec) or http(s) URL with digest."""

    source: str
    digest: Digest | None = None


class PodNetwork(Model):
    provider: PodNetworkProvider = PodNetworkProvider.FLANNEL
    manifests: list[Manifest] = Field(default_factory=list[Manifest])


class Networks(Model):
    pods: IPv4Network = IPv4Network("10.244.0.0/16")
    services: IPv4Network = IPv4Network("10.96.0.0/12")
    dns_domain: DomainName = "cluster.local"
    pod_network: PodNetwork = PodNetwork()


class ComponentArgs(Model):
    """Extra command-line arguments of a control-plane component, without leading dashes."""

    extra_args: dict[str, str] = Field(default_factory=dict)


class ApiServer(ComponentArgs):
    cert_sans: list[str] = Field(default_factory=list)


class ProxyMode(StrEnum):
    IPTABLES = "iptables"
    NFTABLES = "nftables"


class KubeProxy(Model):
    mode: ProxyMode = ProxyMode.NFTABLES
    settings: dict[str, object] = Field(
        default_factory=dict, description="KubeProxyConfiguration fields."
    )


class ArtifactSource(StrEnum):
    AUTO = "auto"
    UPSTREAM = "upstream"
    MIRROR = "mirror"
    BUNDLE = "bundle"
    BUILD = "build"


class Mirror(Model):
    """Base URLs that replace upstream's, by upstream host name; the layout below stays the same."""

    urls: dict[str, str] = Field(default_factory=dict)


class Artifacts(Model):
    source: ArtifactSource = ArtifactSource.AUTO
    mirror: Mirror | None = None
    bundle: FileName | None = Field(
        default=None, description="Path of a file made by `kanae bundle create`."
    )


class ImageArchive(Model):
    """An OCI or docker archive loaded onto nodes, so that they need no registry for it."""

    source: str = Field(description="Path (relative to the spec) or http(s) URL.")
    digest: Digest | None = Field(
        default=None, description="sha256 of the file; required for a URL."
    )
    roles: list[Role] = Field(default_factory=lambda: [Role.CONTROL_PLANE, Role.WORKER])


class SwapPolicy(StrEnum):
    OFF = "off"
    TOLERATE = "tolerate"
    REFUSE = "refuse"


class Policies(Model):
    swap: SwapPolicy = SwapPolicy.REFUSE
    allow_cgroup_v1: bool = Field(
        default=True, description="Tell kubelet >= 1.35 to accept hosts that still run cgroup v1."
    )
    parallel_hosts: Annotated[int, Field(ge=1, le=1000)] = 50


class Spec(Model):
    """One cluster."""

    name: ClusterName
    kubernetes: Version
    hosts: Annotated[dict[HostName, Host], Field(min_length=1)]
    ssh: Ssh = Ssh()
    endpoint: Endpoint = Endpoint()
    load_balancer: LoadBalancer = LoadBalancer()
    etcd: Etcd = Etcd()
    networks: Networks = Networks()
    api_server: ApiServer = ApiServer()
    controller_manager: ComponentArgs = ComponentArgs()
    scheduler: ComponentArgs = ComponentArgs()
    kube_proxy: KubeProxy = KubeProxy()
    kubelet: dict[str, object] = Field(
        default_factory=dict, description="KubeletConfiguration fields for every node."
    )
    artifacts: Artifacts = Artifacts()
    images: list[ImageArchive] = Field(default_factory=list[ImageArchive])
    policies: Policies = Policies()

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
            return (Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule"),)
        return ()

    def kubelet_of(self, name: str) -> dict[str, object]:
        """KubeletConfiguration fields of a node: the cluster's, then the host's over them."""
        return {**self.kubelet, **self.hosts[name].kubelet}

    @property
    def nodes(self) -> tuple[str, ...]:
        """Hosts that are Kubernetes nodes: control plane and workers."""
        return self.having(Role.CONTROL_PLANE, Role.WORKER)

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
    def endpoint_host(self) -> str:
        """What clients put into the URL: the DNS name if there is one, else the address."""
        return self.endpoint.name or str(self.endpoint_address)
