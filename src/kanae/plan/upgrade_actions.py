"""What steps of an upgrade can do beyond `kanae.plan.actions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kanae.plan.model import Action


@dataclass(frozen=True, slots=True)
class KubeadmUpgrade(Action):
    """Move the static pods of a control-plane host to the version of the cluster's ConfigMap.

    config: documents, as YAML. first: by `kubeadm upgrade apply`, which also sees to what belongs
    to the cluster and no host; else by `kubeadm upgrade node`. fingerprint: recorded on the host on
    success, see `plan.control_plane`.
    """

    config: str
    fingerprint: str
    version: str
    first: bool
    repeatable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class ReturnNode(Action):
    """Until a node is Ready with a kubelet of this version; then it takes pods again, if it was
    kanae that kept them off (see `DrainNode`); then until so many pods of cluster DNS serve.
    """

    node: str
    version: str
    dns: int


@dataclass(frozen=True, slots=True)
class AwaitRollout(Action):
    """Until all pods of these workloads of kube-system are new ones and serve. names: as kubectl
    takes them, such as deployments.apps/coredns; one that is not there is not waited for.
    """

    names: tuple[str, ...]
