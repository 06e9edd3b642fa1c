"""KubeletConfiguration: what holds for every node, and each host's patch on top.

The first is kept by kubeadm in the cluster (ConfigMap kubelet-config), so it must not depend on
the host that happens to be first. Source of fields: k8s.io/kubelet/config/v1beta1 types.go.
"""

from __future__ import annotations

from typing import Final

from kanae.facts.model import HostBase
from kanae.render.containerd import cgroup_driver
from kanae.render.documents import Document, merged, to_yaml
from kanae.spec import patience
from kanae.spec.models import Role, Spec, SwapPolicy
from kanae.spec.versions import KubernetesVersion

# First minor whose kubelet takes crashLoopBackOff by default (feature KubeletCrashLoopBackOffMax:
# beta and on since 1.35, pkg/features/kube_features.go).
_CRASH_LOOP_MINOR: Final = 35


def kubelet_configuration(spec: Spec) -> Document:
    """For all nodes. shutdownGracePeriod is left out: see docs/configuration.md."""
    document: Document = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd",
        "clusterDomain": spec.networks.dns_domain,
        **patience.KUBELET,
    }
    if spec.policies.swap is SwapPolicy.TOLERATE:
        # Swap may stay on; pods get none of it. LimitedSwap would need cgroup v2 on every node.
        document |= {"failSwapOn": False, "memorySwap": {"swapBehavior": "NoSwap"}}
    return merged(document, spec.kubelet)


def kubelet_patch(spec: Spec, host: str, base: HostBase) -> str:
    """A kubeadm patch (target kubeletconfiguration, type merge), possibly an empty one.

    It is there on every node, so that what there is on a host does not depend on its facts.
    """
    document = _by_facts(spec, base)
    is_master = Role.CONTROL_PLANE in spec.hosts[host].roles
    if is_master and KubernetesVersion.parse(spec.version).minor >= _CRASH_LOOP_MINOR:
        # An API server that found no etcd (all hosts powered on at once) is tried again after
        # 10 s at most, not after kubelet's 5 minutes.
        document["crashLoopBackOff"] = {"maxContainerRestartPeriod": "10s"}
    return to_yaml([merged(document, spec.hosts[host].kubelet)])


def tolerates_cgroup_v1(spec: Spec, base: HostBase) -> bool:
    """Whether this host needs to be told that cgroup v1 is accepted, and the spec accepts it."""
    new = KubernetesVersion.parse(spec.version).fails_on_cgroup_v1
    return base.cgroup == 1 and new and spec.policies.allow_cgroup_v1


def _by_facts(spec: Spec, base: HostBase) -> Document:
    document: Document = {}
    if (driver := cgroup_driver(base)) != "systemd":
        document["cgroupDriver"] = driver
    if tolerates_cgroup_v1(spec, base):
        document["failCgroupV1"] = False
    return document
