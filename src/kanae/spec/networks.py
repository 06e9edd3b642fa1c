"""Networks inside the cluster, and the names that are resolved there."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated

from pydantic import Field

from kanae.spec.base import Model
from kanae.spec.source import Manifest
from kanae.spec.text import DomainName


class PodNetworkProvider(StrEnum):
    """manifests: whatever `manifests` names; none: nodes stay NotReady until you add one."""

    FLANNEL = "flannel"
    WEAVE = "weave"
    MANIFESTS = "manifests"
    NONE = "none"


class PodNetwork(Model):
    """How pods of different nodes reach each other."""

    provider: PodNetworkProvider = PodNetworkProvider.FLANNEL
    manifests: list[Manifest] = Field(
        default_factory=list[Manifest], description="For the provider manifests: what to apply."
    )


class Networks(Model):
    """Networks inside the cluster; apart from each other and from every host."""

    pods: IPv4Network = Field(
        default=IPv4Network("10.244.0.0/16"), description="Each node takes a /24 of it."
    )
    services: IPv4Network = Field(
        default=IPv4Network("10.96.0.0/12"), description="Virtual addresses of services."
    )
    dns_domain: DomainName = Field(
        default="cluster.local", description="Domain of services in the cluster's DNS."
    )
    pod_network: PodNetwork = PodNetwork()


class Dns(Model):
    """CoreDNS, which resolves the names of services."""

    replicas: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="CoreDNS pods, each on a node of its own. Default: one on every node whose "
        "taints it tolerates, 10 at most; kubeadm's 2 where there is only one such node.",
    )
