"""What is true of which Kubernetes minor version, and which versions may work together.

Sources are files of the Kubernetes repository at v1.37.2 unless another is named, and the
version skew policy (kubernetes.io/releases/version-skew-policy).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import total_ordering


@total_ordering
@dataclass(frozen=True, slots=True)
class KubernetesVersion:
    """A release, as in v1.37.2. Ordered by age."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> KubernetesVersion:
        """From `v1.37.2` or `1.37.2`. Raises ValueError for anything else."""
        major, minor, patch = text.removeprefix("v").split(".")
        return cls(int(major), int(minor), int(patch))

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}.{self.patch}"

    def __lt__(self, other: KubernetesVersion) -> bool:
        mine = (self.major, self.minor, self.patch)
        return mine < (other.major, other.minor, other.patch)

    @property
    def fails_on_cgroup_v1(self) -> bool:
        """Whether kubelet refuses cgroup v1 unless failCgroupV1 is false.

        The field exists since 1.31 with default false (KEP-4569), and defaults to true since
        1.35 (KEP-5573; pkg/kubelet/apis/config/v1beta1/defaults.go).
        """
        return self.minor >= 35


# Oldest and newest minor of major version 1 that kanae installs. The oldest is the oldest whose
# kubeadm, kubelet and images were available when this was written, all with kubeadm's v1beta4
# (since 1.31) and kube-proxy's nftables mode as a stable feature (since 1.33, KEP-3866).
OLDEST_MINOR = 34
NEWEST_MINOR = 37

# Minors by which kubelet may be older than the API server; it may never be newer.
# cmd/kubeadm/app/constants/constants.go MinimumKubeletVersion.
KUBELET_BEHIND = 3
# Minors that the control plane moves in one upgrade. Version skew policy.
UPGRADE_STEP = 1

# Feature gates that a minor has no more, so that a component that is told one ends at once. By the
# changelogs of the minors.
REMOVED_GATES: Mapping[int, frozenset[str]] = {
    37: frozenset(
        {
            *("RetryGenerateName", "BtreeWatchCache", "OrderedNamespaceDeletion"),
            *("StreamingCollectionEncodingToJSON", "StreamingCollectionEncodingToProtobuf"),
            *("APIServerTracing", "ResilientWatchCacheInitialization", "ConsistentListFromCache"),
            *("SidecarContainers", "PreventStaticPodAPIReferences", "AnyVolumeDataSource"),
            *("RelaxedDNSSearchValidation", "GangScheduling", "WorkloadAwarePreemption"),
        }
    ),
}
# Arguments likewise, by the field of the spec whose extraArgs may say them.
REMOVED_ARGUMENTS: Mapping[int, Mapping[str, frozenset[str]]] = {
    37: {"controllerManager": frozenset({"concurrent-service-syncs"})},
}

# kubeadm configuration API for every supported minor; cmd/kubeadm/app/apis/kubeadm/v1beta4.
KUBEADM_API = "kubeadm.k8s.io/v1beta4"


def unsupported(version: KubernetesVersion) -> str:
    """Why a version cannot be installed, "" when it can."""
    if version.major == 1 and OLDEST_MINOR <= version.minor <= NEWEST_MINOR:
        return ""
    return f"expected Kubernetes 1.{OLDEST_MINOR} to 1.{NEWEST_MINOR}, not {version}"


def kubelet_skew(kubelet: KubernetesVersion, api_server: KubernetesVersion) -> str:
    """Why a kubelet may not join an API server of a version, "" when it may."""
    behind = api_server.minor - kubelet.minor
    if behind < 0:
        return f"kubelet {kubelet} is newer than the API server {api_server}"
    if behind > KUBELET_BEHIND:
        return (
            f"kubelet {kubelet} is {behind} minor versions older than the API server"
            f" {api_server}; at most {KUBELET_BEHIND} are supported"
        )
    return ""


def upgrade_skew(old: KubernetesVersion, new: KubernetesVersion) -> str:
    """Why a control plane cannot go from one version to another at once, "" when it can."""
    if new < old:
        return f"Kubernetes cannot go back from {old} to {new}"
    if new.minor - old.minor > UPGRADE_STEP:
        return f"from {old} go to 1.{old.minor + UPGRADE_STEP} before {new}"
    return ""
