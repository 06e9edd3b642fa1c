"""What a host needs below Kubernetes: kernel settings and modules, packages, by its roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kanae.facts.model import HostBase
from kanae.render import nginx
from kanae.render.banner import banner
from kanae.spec.models import Balancer, EtcdTopology, PodNetworkProvider, Role, Spec


def sysctls(spec: Spec, host: str, base: HostBase) -> dict[str, str]:
    """Setting -> value, sorted by name.

    A setting that the kernel lacks is left out, except while nothing is known of the kernel.
    """
    roles = spec.hosts[host].roles
    wanted: dict[str, str] = {}
    if host in spec.nodes:
        wanted["net.ipv4.ip_forward"] = "1"
        # Each container's log follower and many programs take one; 128 are too few for a node.
        wanted["fs.inotify.max_user_instances"] = "8192"
        if not base.kernel_features or "br_netfilter" in base.kernel_features:
            # Pods of one node that talk through a service's address: the answer crosses only the
            # bridge, and without this its address is not translated back.
            wanted["net.bridge.bridge-nf-call-iptables"] = "1"
    if Role.LOAD_BALANCER in roles and spec.load_balancer.kind is Balancer.NGINX:
        wanted |= nginx.SYSCTLS
    return dict(sorted(wanted.items()))


def sysctls_file(settings: Mapping[str, str]) -> str:
    return banner() + "".join(f"{name} = {value}\n" for name, value in settings.items())


def modules(spec: Spec, host: str) -> list[str]:
    """Kernel modules, or the same built in."""
    if host not in spec.nodes:
        return []
    network = {
        PodNetworkProvider.FLANNEL: ["vxlan"],
        PodNetworkProvider.WEAVE: [],
        PodNetworkProvider.MANIFESTS: [],
        PodNetworkProvider.NONE: [],
    }
    return ["overlay", "br_netfilter", *network[spec.networks.pod_network.provider]]


def modules_file(names: Sequence[str]) -> str:
    return banner() + "".join(f"{name}\n" for name in names)


def packages(spec: Spec, host: str) -> tuple[list[str], list[str]]:
    """Debian packages, and units of theirs that must not start by being installed."""
    roles = spec.hosts[host].roles
    names: list[str] = []
    quiet: list[str] = []
    if host in spec.nodes:
        # kube-proxy and portmap: conntrack, iptables, nftables; kubectl port-forward: socat;
        # kubeadm's preflight also looks for ethtool.
        names += ["conntrack", "ethtool", "iptables", "nftables", "socat"]
    front = Role.LOAD_BALANCER in roles
    is_nginx = spec.load_balancer.kind is Balancer.NGINX
    master = Role.CONTROL_PLANE in roles
    if master and is_nginx and spec.having(Role.LOAD_BALANCER):
        names.append("curl")
    external = spec.etcd_topology is EtcdTopology.EXTERNAL
    if Role.ETCD in roles and "nftables" not in names:
        names.append("nftables")
    if (front and not is_nginx) or (master and external):
        names.append("haproxy")
        quiet.append("haproxy.service")
    if front and is_nginx:
        names += ["nginx", "libnginx-mod-stream"]
        quiet.append("nginx.service")
    if front and spec.load_balancer.virtual_address is not None:
        # procps: pgrep, by which keepalived watches the balancer.
        names += ["keepalived", "procps"]
        quiet.append("keepalived.service")
    return names, quiet


def network_images(spec: Spec) -> list[str]:
    """Names in the catalogue of the pod network's images that kanae delivers."""
    return ["flannel"] if spec.networks.pod_network.provider is PodNetworkProvider.FLANNEL else []
