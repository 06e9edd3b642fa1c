"""KubeletConfiguration: what holds for every node, and each host's patch on top.

The first is kept by kubeadm in the cluster (ConfigMap kubelet-config), so it must not depend on
the host that happens to be first. Source of fields: k8s.io/kubelet/config/v1beta1 types.go.
"""

from __future__ import annotations

from kanae.facts.model import HostBase
from kanae.render.containerd import cgroup_driver
from kanae.render.documents import Document, merged, to_yaml
from kanae.spec.models import Role, Spec, SwapPolicy
from kanae.spec.versions import KubernetesVersion

# First minor whose kubelet takes crashLoopBackOff by default (feature KubeletCrashLoopBackOffMax:
# beta and on since 1.35, pkg/features/kube_features.go).
_CRASH_LOOP_MINOR = 35


def kubelet_configuration(spec: Spec) -> Document:
    """For all nodes. shutdownGracePeriod is left out: see docs/configuration.md."""
    document: Document = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd",
        "clusterDomain": spec.networks.dns_domain,
    }
    if spec.policies.swap is SwapPolicy.TOLERATE:
        # Swap may stay on; pods get none of it. LimitedSwap would need cgroup v2 on every node.
        document |= {"failSwapOn": False, "memorySwap": {"swapBehavior": "NoSwap"}}
    return merged(document, spec.kubelet)


def kubelet_patch(spec: Spec, host: str, base: HostBase) -> str | None:
    """A kubeadm patch (target kubeletconfiguration, type merge), or None when nothing differs."""
    version = KubernetesVersion.parse(spec.version)
    document: Document = {}
    driver = cgroup_driver(base)
    if driver != "systemd":
        document["cgroupDriver"] = driver
    if base.cgroup == 1 and version.fails_on_cgroup_v1 and spec.policies.allow_cgroup_v1:
        document["failCgroupV1"] = False
    if Role.CONTROL_PLANE in spec.hosts[host].roles and version.minor >= _CRASH_LOOP_MINOR:
        # An API server that found no etcd (all hosts powered on at once) is tried again after
        # 10 s at most, not after kubelet's 5 minutes.
        document["crashLoopBackOff"] = {"maxContainerRestartPeriod": "10s"}
    document = merged(document, spec.hosts[host].kubelet)
    return to_yaml([document]) if document else None
