"""Extra arguments of the control plane and etcd: which are not for the spec to say, and why.

Taken by kubeadm: cmd/kubeadm/app/phases/controlplane/manifests.go of Kubernetes v1.37.2.
etcd's: etcd.io/docs/v3.6/op-guide/configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kanae.spec.models import Spec
from kanae.spec.rules.networks import NODE_MASK_ARGUMENT
from kanae.spec.rules.violation import Violation
from kanae.spec.tree import Path

_ARGUMENT = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

# Argument -> the field that says it, "" when kanae or kubeadm decides it alone.
_API_SERVER: dict[str, str] = {
    "advertise-address": "address of the host",
    "allow-privileged": "",
    "client-ca-file": "",
    "enable-bootstrap-token-auth": "",
    "etcd-cafile": "",
    "etcd-certfile": "",
    "etcd-keyfile": "",
    "etcd-servers": "roles of the hosts",
    "kubelet-client-certificate": "",
    "kubelet-client-key": "",
    "proxy-client-cert-file": "",
    "proxy-client-key-file": "",
    "requestheader-allowed-names": "",
    "requestheader-client-ca-file": "",
    "requestheader-extra-headers-prefix": "",
    "requestheader-group-headers": "",
    "requestheader-username-headers": "",
    "secure-port": "",
    "service-account-key-file": "",
    "service-account-signing-key-file": "",
    "service-cluster-ip-range": "networks.services",
    "tls-cert-file": "",
    "tls-private-key-file": "",
}
_MANAGER: dict[str, str] = {
    "allocate-node-cidrs": "",
    "authentication-kubeconfig": "",
    "authorization-kubeconfig": "",
    "client-ca-file": "",
    "cluster-cidr": "networks.pods",
    "cluster-name": "name",
    "cluster-signing-cert-file": "",
    "cluster-signing-key-file": "",
    "kubeconfig": "",
    "leader-elect": "",
    "requestheader-client-ca-file": "",
    "root-ca-file": "",
    "service-account-private-key-file": "",
    "service-cluster-ip-range": "networks.services",
    "use-service-account-credentials": "",
}
_SCHEDULER: dict[str, str] = {
    "authentication-kubeconfig": "",
    "authorization-kubeconfig": "",
    "kubeconfig": "",
    "leader-elect": "",
}
_ETCD: dict[str, str] = {
    "advertise-client-urls": "address of the host",
    "cert-file": "",
    "client-cert-auth": "",
    "config-file": "",
    "data-dir": "etcd.dataDir",
    "election-timeout": "etcd.electionTimeout",
    "force-new-cluster": "",
    "heartbeat-interval": "etcd.heartbeatInterval",
    "initial-advertise-peer-urls": "address of the host",
    "initial-cluster": "roles of the hosts",
    "initial-cluster-state": "",
    "initial-cluster-token": "",
    "key-file": "",
    "listen-client-urls": "address of the host",
    "listen-metrics-urls": "",
    "listen-peer-urls": "address of the host",
    "name": "name of the host",
    "peer-cert-file": "",
    "peer-client-cert-auth": "",
    "peer-key-file": "",
    "peer-trusted-ca-file": "",
    "strict-reconfig-check": "",
    "trusted-ca-file": "",
}


def argument_rules(spec: Spec) -> Iterator[Violation]:
    api_server = spec.api_server.extra_args
    yield from _owned(api_server, ("apiServer", "extraArgs"), _API_SERVER)
    yield from _owned(
        spec.controller_manager.extra_args, ("controllerManager", "extraArgs"), _MANAGER
    )
    yield from _owned(spec.scheduler.extra_args, ("scheduler", "extraArgs"), _SCHEDULER)
    yield from _owned(spec.etcd.extra_args, ("etcd", "extraArgs"), _ETCD)
    yield from _guarded(api_server)
    if spec.etcd.election_timeout < 5 * spec.etcd.heartbeat_interval:
        # etcd's own check, server/embed/config.go Validate: it does not start otherwise.
        message = (
            f"expected at least 5 times the heartbeat interval of"
            f" {spec.etcd.heartbeat_interval} ms, not {spec.etcd.election_timeout}"
        )
        about = (("etcd", "heartbeatInterval"),)
        yield Violation(("etcd", "electionTimeout"), message, about)


def _owned(
    arguments: Mapping[str, str], place: Path, owned: Mapping[str, str]
) -> Iterator[Violation]:
    for name in arguments:
        here = (*place, name)
        if name in owned:
            where = f"; say it by {owned[name]}" if owned[name] else ""
            yield Violation(here, f"--{name} is set by kanae{where}", at_key=True)
        elif not _ARGUMENT.fullmatch(name):
            bare = name.lstrip("-")
            hint = (
                f"; write {bare}"
                if _ARGUMENT.fullmatch(bare)
                else f", such as {NODE_MASK_ARGUMENT}"
            )
            message = f"expected an argument's name without leading dashes{hint}"
            yield Violation(here, message, at_key=True)


def _items(text: str) -> set[str]:
    return {item.strip() for item in text.split(",")}


def _guarded(arguments: Mapping[str, str]) -> Iterator[Violation]:
    """API server arguments that are free within a bound which keeps the cluster safe."""
    place: Path = ("apiServer", "extraArgs")
    enabled = arguments.get("enable-admission-plugins")
    if enabled is not None and "NodeRestriction" not in _items(enabled):
        message = "expected NodeRestriction among them: without it a node may edit other nodes"
        yield Violation((*place, "enable-admission-plugins"), message)
    if "NodeRestriction" in _items(arguments.get("disable-admission-plugins", "")):
        message = "expected NodeRestriction to stay: without it a node may edit other nodes"
        yield Violation((*place, "disable-admission-plugins"), message)
    modes = arguments.get("authorization-mode")
    if modes is not None and not {"Node", "RBAC"} <= _items(modes):
        message = "expected Node and RBAC among them: nodes and kubeadm's own rights need both"
        yield Violation((*place, "authorization-mode"), message)
    if arguments.get("anonymous-auth", "").lower() == "false":
        message = (
            "false would end the health checks of load balancer and kubelet, and the joining by"
            " token; restrict anonymous requests by an AuthenticationConfiguration instead"
        )
        yield Violation((*place, "anonymous-auth"), message)
