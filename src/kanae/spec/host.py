"""Hosts: roles, how to reach them, and what is particular to one as a node."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import Field

from kanae.spec.base import Model
from kanae.spec.text import FileName, JumpHost, Port, UserName


class Role(StrEnum):
    """What a host does. client: gets kubectl and a kubeconfig."""

    LOAD_BALANCER = "load-balancer"
    ETCD = "etcd"
    CONTROL_PLANE = "control-plane"
    WORKER = "worker"
    CLIENT = "client"


class Sudo(StrEnum):
    """How commands become root when the SSH user is not root."""

    AUTO = "auto"  # none for root, passwordless sudo otherwise
    NONE = "none"
    PASSWORDLESS = "passwordless"
    PASSWORD = "password"  # asked once, or read from the variable KANAE_SUDO_PASSWORD  # noqa: S105


class Ssh(Model):
    """How to reach a host. What is not said here comes from `config` (ssh_config(5)).

    A lab of the same cluster name provides its own `config`; else ~/.ssh/config is read.
    """

    user: UserName | None = Field(default=None, description="Default: as ssh_config says.")
    port: Port | None = Field(default=None, description="Default: as ssh_config says, else 22.")
    key: FileName | None = Field(
        default=None, description="Path of the private key; ~ is expanded."
    )
    config: FileName | None = Field(default=None, description="Path of an ssh_config file.")
    known_hosts: FileName | None = Field(
        default=None, description="Path; host keys are always checked."
    )
    jump: JumpHost | None = Field(default=None, description="user@host:port of a jump host.")
    sudo: Sudo = Sudo.AUTO
    connect_timeout: Annotated[float, Field(gt=0, le=300, description="seconds")] = 10.0


class Taint(Model):
    """What keeps pods off a node unless they tolerate it."""

    key: str = Field(description="As in a label's key.")
    value: str | None = Field(default=None, description="Default: empty.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(
        description="NoExecute also evicts the pods that run there."
    )


class Power(Model):
    """Commands that the operator's machine runs to control a host's power (ipmitool, Redfish)."""

    off: list[str] | None = Field(default=None, description="Program and arguments.")
    on: list[str] | None = Field(default=None, description="Program and arguments.")
    cycle: list[str] | None = Field(default=None, description="Program and arguments.")


class Host(Model):
    """One machine, virtual or not, with its own IPv4 address."""

    address: IPv4Address = Field(
        description="Where it is reached by SSH and by the other hosts; one of its own."
    )
    roles: Annotated[list[Role], Field(min_length=1)] = Field(
        description="What it does; roles combine freely."
    )
    labels: dict[str, str] = Field(default_factory=dict, description="Labels of its node.")
    taints: list[Taint] | None = Field(
        default=None,
        description="Node taints. Default: NoSchedule on a control-plane host that is no worker.",
    )
    ssh: Ssh | None = Field(
        default=None, description="Overrides of the cluster's ssh, field by field."
    )
    kubelet: dict[str, object] = Field(
        default_factory=dict, description="KubeletConfiguration fields for this host."
    )
    power: Power | None = None
