"""What a host needs below Kubernetes: kernel settings and modules, packages, by its roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kanae.facts.model import HostBase
from kanae.layout import families, units
from kanae.layout.family import PROGRAMS, Need
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


def settings_unit(sysctls_path: str, modules: Sequence[str], *, swap_off: bool) -> str:
    """Sets at boot what kanae has set, after all that says otherwise and before what needs it.

    sysctl.d's files are read in the order of their names, so that any later one wins; a module that
    modprobe.d's `blacklist` names is not loaded at boot, though modprobe loads it when asked; and
    generators make swap that no line of fstab tells of. A setting that the kernel lacks stops none.
    """
    commands = [
        *([f"modprobe -a {' '.join(modules)}"] if modules else []),
        f"sysctl -q -e -p {sysctls_path}",
        *(["swapoff -a"] if swap_off else []),
    ]
    starts = "".join(f"ExecStart=-{command}\n" for command in commands)
    return f"""{banner()}[Unit]
Description=kernel settings of Kubernetes
After=systemd-modules-load.service systemd-sysctl.service swap.target
Before={units.CONTAINERD} {units.KUBELET}

[Service]
Type=oneshot
RemainAfterExit=yes
{starts}
[Install]
WantedBy=multi-user.target
"""


def needs(spec: Spec, host: str) -> tuple[Need, ...]:
    """What the host's roles need of its distribution, each once."""
    roles = spec.hosts[host].roles
    wanted: list[Need] = []
    if host in spec.nodes:
        # kube-proxy and portmap: conntrack, iptables, nftables; kubectl port-forward: socat;
        # kubeadm's preflight also looks for ethtool.
        wanted += [Need.CONNTRACK, Need.ETHTOOL, Need.IPTABLES, Need.NFTABLES, Need.SOCAT]
    balancer = Role.LOAD_BALANCER in roles
    is_nginx = spec.load_balancer.kind is Balancer.NGINX
    master = Role.CONTROL_PLANE in roles
    if (master or balancer) and is_nginx and spec.having(Role.LOAD_BALANCER):
        wanted.append(Need.CURL)
    external = spec.etcd_topology is EtcdTopology.EXTERNAL
    if (Role.ETCD in roles or (balancer and is_nginx)) and Need.NFTABLES not in wanted:
        wanted.append(Need.NFTABLES)
    if (balancer and not is_nginx) or (master and external):
        wanted.append(Need.HAPROXY)
    if balancer and is_nginx:
        wanted += [Need.NGINX, Need.NGINX_STREAM]
    if balancer and spec.virtual_addresses:
        # procps: pgrep, by which keepalived watches the balancer. perl: render/tickle.py. nftables,
        # perl: render/handover.py.
        wanted += [Need.KEEPALIVED, Need.PROCPS, Need.PERL, Need.PERL_SOCKET]
        if Need.NFTABLES not in wanted:
            wanted.append(Need.NFTABLES)
    return tuple(wanted)


def unmet(spec: Spec, host: str, base: HostBase) -> tuple[Need, ...]:
    """Needs of a host of no known family that kanae cannot fill and nobody has filled.

    Without a package manager a program has to be there already. Needs that kanae's files name by
    path or user stay unmet even then: where they are would be a guess.
    """
    if base.family.manager is not None:
        return ()
    return tuple(
        need
        for need in needs(spec, host)
        if need not in base.family.supplies or PROGRAMS[need] in base.missing_programs
    )


def unmet_words(base: HostBase, lacking: Sequence[Need]) -> tuple[str, str]:
    """What `unmet` found, to be put behind the host's name, and what to do about it."""
    known = f"use a distribution of the families {', '.join(f.name for f in families.FAMILIES)}"
    by_hand = all(need in base.family.supplies for need in lacking)
    return (
        f"runs {distribution(base)}, of no family that kanae knows, and how to install or find "
        f"{', '.join(lacking)} there would be a guess",
        f"install them by hand, or {known}" if by_hand else f"{known} for its roles",
    )


def distribution(base: HostBase) -> str:
    return base.os_name or base.os_id or "a system without /etc/os-release"


def network_images(spec: Spec) -> list[str]:
    """Names in the catalogue of the pod network's images that kanae delivers."""
    return ["flannel"] if spec.networks.pod_network.provider is PodNetworkProvider.FLANNEL else []
