"""Extra arguments of the control plane and etcd: which are not for the spec to say, and why.

Taken by kubeadm: cmd/kubeadm/app/phases/controlplane/manifests.go of Kubernetes v1.37.2.
etcd's: etcd.io/docs/v3.6/op-guide/configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kanae.layout import ports
from kanae.spec.models import Spec
from kanae.spec.rules.networks import NODE_MASK_ARGUMENT
from kanae.spec.rules.violation import Violation
from kanae.spec.scalar import quoted
from kanae.spec.tree import Path

_ARGUMENT = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

_RANGE = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")
_NODE_PORTS_ARGUMENT = "service-node-port-range"

# Argument -> the field that says it, "" when kanae or kubeadm decides it alone.
_API_SERVER: dict[str, str] = {
    "advertise-address": "address of the host",
    "allow-privileged": "",
    "client-ca-file": "",
    "enable-bootstrap-token-auth": "",
    "endpoint-reconciler-type": "endpoint.inCluster",
    # It takes the place of authorization-mode.
    "authorization-config": "",
    "authorization-policy-file": "",
    "bind-address": "",
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
    # Passwords in a file that nothing revokes or renews.
    "token-auth-file": "",
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
    "secure-port": "",
    "service-account-private-key-file": "",
    "service-cluster-ip-range": "networks.services",
    "use-service-account-credentials": "",
}
_SCHEDULER: dict[str, str] = {
    "authentication-kubeconfig": "",
    "authorization-kubeconfig": "",
    "kubeconfig": "",
    "leader-elect": "",
    "secure-port": "",
}
_ETCD: dict[str, str] = {
    "advertise-client-urls": "address of the host",
    "auto-tls": "",
    "cert-file": "",
    "client-cert-auth": "",
    "config-file": "",
    "data-dir": "etcd.dataDir",
    "discovery": "",
    "discovery-endpoints": "",
    "discovery-srv": "",
    "discovery-token": "",
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
    "peer-auto-tls": "",
    "peer-cert-file": "",
    "peer-client-cert-auth": "",
    "peer-key-file": "",
    "peer-trusted-ca-file": "",
    "peer-skip-client-san-verification": "",
    "strict-reconfig-check": "",
    "trusted-ca-file": "",
    "unsafe-no-fsync": "",
}
# Those that leave nobody more than he is given; AlwaysAllow and AlwaysDeny would end the others.
_MODES = frozenset({"Node", "RBAC", "Webhook"})
# What Go's flags take for true, strconv.ParseBool.
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


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


def node_ports(arguments: Mapping[str, str]) -> range | None:
    """The API server's range of node ports; None when what is said is none."""
    said = arguments.get(_NODE_PORTS_ARGUMENT)
    if said is None:
        return ports.NODE_PORTS
    match = _RANGE.fullmatch(said)
    first, last = (int(match[1]), int(match[2])) if match else (0, 0)
    return range(first, last + 1) if 0 < first <= last <= 65535 else None


def _node_ports(arguments: Mapping[str, str], place: Path) -> Iterator[Violation]:
    here = (*place, _NODE_PORTS_ARGUMENT)
    among = node_ports(arguments)
    if among is None:
        said = quoted(arguments[_NODE_PORTS_ARGUMENT])
        yield Violation(here, f"expected a range of ports such as 30000-32767, not {said}")
        return
    taken = {22: "sshd"} | ports.OF_ETCD | ports.OF_NODE | ports.OF_CONTROL_PLANE
    for port, holder in sorted(taken.items()):
        if port in among:
            message = f"expected ports that are free on every node; {port} is {holder}'s"
            yield Violation(here, message)
            return


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
    if modes is not None and (more := sorted(_items(modes) - _MODES)):
        message = f"expected none but {', '.join(sorted(_MODES))}, not {quoted(more[0])}"
        yield Violation((*place, "authorization-mode"), message)
    yield from _node_ports(arguments, place)
    if arguments.get("anonymous-auth", "true") not in _TRUE:
        message = (
            "anything but true would end the health checks of load balancer and kubelet, and the"
            " joining by token; restrict anonymous requests by an AuthenticationConfiguration"
            " instead"
        )
        yield Violation((*place, "anonymous-auth"), message)
