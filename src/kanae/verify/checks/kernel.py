"""Kernel version and features, cgroups, SELinux."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kanae.spec.models import PodNetworkProvider, ProxyMode, Spec
from kanae.spec.versions import KubernetesVersion
from kanae.verify.model import Finding, Subject, error, info, warning

# kube-proxy's nftables mode: pkg/proxy/nftables checks for this kernel.
NFTABLES_KERNEL = (5, 13)
# runc and kubelet work with older ones, but nobody tests them.
OLDEST_KERNEL = (4, 19)
# kubeadm's SystemVerification (k8s.io/system-validators, cgroup_validator), without devices and
# freezer, which are no controllers of their own in v2.
CONTROLLERS = frozenset({"cpu", "cpuset", "memory", "pids"})


def kernel(subject: Subject) -> Iterator[Finding]:
    nftables = subject.spec.kube_proxy.mode is ProxyMode.NFTABLES
    for host, facts in subject.nodes():
        version = _version(facts.base.kernel)
        if nftables and version < NFTABLES_KERNEL:
            yield error(
                "kernel",
                host,
                f"kernel {facts.base.kernel} is too old for kube-proxy's nftables mode (5.13)",
                "set kubeProxy.mode: iptables, or install a newer kernel",
            )
        elif version < OLDEST_KERNEL:
            evidence = f"kernel {facts.base.kernel} is older than 4.19"
            yield warning("kernel", host, evidence, "install a newer one")
        wanted, forbidden = _features(subject.spec), facts.base.forbidden_modules
        for name in sorted((wanted | {"br_netfilter"}) & forbidden):
            yield error(
                "kernel",
                host,
                f"the module {name} is not loaded, and the host forbids it",
                f"take the line `install {name} ...` out of /etc/modprobe.d (`modprobe "
                f"--show-depends {name}` shows it, also one of a module that it needs), or allow "
                "modules at all: sysctl kernel.modules_disabled",
            )
        if lost := sorted(wanted - facts.base.kernel_features - forbidden):
            yield error(
                "kernel",
                host,
                f"the kernel lacks {', '.join(lost)}",
                "install the package with the kernel's further modules, or another kernel",
            )
        if "br_netfilter" not in facts.base.kernel_features | forbidden:
            yield warning(
                "kernel",
                host,
                "the kernel lacks br_netfilter",
                "pods may not reach a service whose pod is on the same host",
            )
        if facts.sysctls.get("net.ipv4.ip_forward", "") is None:
            remedy = "its network stack lacks IPv4 forwarding: use another kernel"
            yield error("kernel", host, "there is no setting net.ipv4.ip_forward", remedy)


def _features(spec: Spec) -> set[str]:
    wanted = {"overlay", "bridge", "veth", "nf_conntrack"}
    wanted.add("nf_tables" if spec.kube_proxy.mode is ProxyMode.NFTABLES else "ip_tables")
    if spec.networks.pod_network.provider is PodNetworkProvider.FLANNEL:
        wanted.add("vxlan")
    return wanted


def _version(text: str) -> tuple[int, int]:
    match = re.match(r"(\d{1,4})\.(\d{1,4})", text)
    # An unreadable version is not held against the host.
    return (int(match[1]), int(match[2])) if match else NFTABLES_KERNEL


def cgroup(subject: Subject) -> Iterator[Finding]:
    refuses = KubernetesVersion.parse(subject.spec.version).fails_on_cgroup_v1
    allowed = subject.spec.policies.allow_cgroup_v1
    for host, facts in subject.nodes():
        on = facts.base.controllers
        if on and (off := sorted(CONTROLLERS - on)):
            yield error(
                "cgroup",
                host,
                f"the cgroup controllers {', '.join(off)} are off; kubeadm and kubelet want them",
                "boot with cgroup_enable=memory or the like on the kernel's command line "
                "(/proc/cmdline shows what turns them off), or give them to this container",
            )
        if facts.base.cgroup != 1:
            continue
        if refuses and not allowed:
            yield error(
                "cgroup",
                host,
                f"cgroup v1, which kubelet {subject.spec.version} refuses",
                "boot with systemd.unified_cgroup_hierarchy=1, or set policies.allowCgroupV1",
            )
        elif refuses:
            evidence = "cgroup v1; kubelet is told to accept it (failCgroupV1: false)"
            yield info("cgroup", host, evidence)
        else:
            remedy = "kubelet refuses it from 1.35 on: boot with cgroup v2"
            yield warning("cgroup", host, "cgroup v1", remedy)
        if not facts.base.can_lower_oom:
            evidence = "oom_score_adj cannot be lowered; containerd is told not to try"
            yield info("cgroup", host, evidence)


def selinux(subject: Subject) -> Iterator[Finding]:
    for host, facts in subject.nodes():
        if facts.base.selinux == "enforcing":
            yield warning(
                "selinux",
                host,
                "SELinux is enforcing",
                "binaries in /usr/local/bin get no policy of their own: setenforce 0 and "
                "SELINUX=permissive in /etc/selinux/config, or install container-selinux",
            )
