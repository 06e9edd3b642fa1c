"""The API endpoint, and the balancers and the virtual address that may stand behind it."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated

from pydantic import Field

from kanae.spec.base import Model
from kanae.spec.text import DomainName, Duration, InterfaceName, Port


class InCluster(StrEnum):
    """balancer: by the endpoint's balancers; masters: by the API servers themselves."""

    BALANCER = "balancer"
    MASTERS = "masters"


class Vrrp(Model):
    """How keepalived moves an address between the balancer hosts (VRRP version 3, unicast)."""

    router_id: Annotated[int, Field(ge=1, le=255)] = Field(
        default=51, description="VRRP's virtual router id; unique in the hosts' network."
    )
    advertisement_interval: Annotated[float, Field(ge=0.05, le=10, description="seconds")] = 0.2
    interface: InterfaceName | None = Field(
        default=None, description="Default: the one with the host's address."
    )


class FormerEndpoint(Model):
    """Where the endpoint was, and goes on answering for as long as this is said."""

    address: IPv4Address = Field(description="The endpoint's address then.")
    port: Port = Field(description="The endpoint's port then.")
    vrrp: Vrrp | None = Field(
        default=None,
        description="For a virtual address that loadBalancer.virtualAddress does not name any "
        "more: what it said of VRRP. keepalived goes on moving it between the balancers.",
    )


class Endpoint(Model):
    """Where clients reach the API: a balancer's address, a virtual address or the one host's."""

    address: IPv4Address | None = Field(
        default=None, description="Default: derived from the topology."
    )
    name: DomainName | None = Field(
        default=None, description="A DNS name that resolves to it, if any."
    )
    port: Port = Field(default=6443, description="6443 is taken where an API server runs itself.")
    in_cluster: InCluster | None = Field(
        default=None,
        description="Whom pods reach by the Service kubernetes. Default: balancer where one "
        "address stands for it, else masters.",
    )
    former: list[FormerEndpoint] = Field(
        default_factory=list[FormerEndpoint],
        description="Where it was, while it moves; to be taken away when nobody is led there.",
    )


class Balancer(StrEnum):
    """The program that spreads API requests over the control plane."""

    HAPROXY = "haproxy"
    NGINX = "nginx"


class HealthCheck(Model):
    """haproxy's active check of /readyz."""

    interval: Duration = Field(
        default="500ms", description="Between checks of a server, and the time a check has."
    )
    fast_interval: Duration = Field(
        default="200ms", description="Between checks while its state changes."
    )
    fall: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3, description="Failed checks after which a server gets no new connections."
    )
    rise: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3, description="Passed checks after which it gets them again."
    )


class VirtualAddress(Vrrp):
    """One address that moves between the balancer hosts."""

    address: IPv4Address = Field(description="A free address of the balancer hosts' network.")


class LoadBalancer(Model):
    """What runs on the hosts with the role load-balancer."""

    kind: Balancer = Balancer.HAPROXY
    connect_timeout: Duration | None = Field(
        default=None, description="Default: measured best by kind."
    )
    check: HealthCheck = HealthCheck()
    virtual_address: VirtualAddress | None = None
