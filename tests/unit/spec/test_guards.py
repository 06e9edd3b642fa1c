"""Guards are not walked around, and what would fail late is refused at its place in the spec."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kanae.errors import SpecError
from kanae.spec.load import loads
from kanae.spec.rules.nodes import _KUBELET_OWNED  # pyright: ignore[reportPrivateUsage]

FULL = Path(__file__).with_name("full.yaml").read_text()
MASTERS = """endpoint: {address: 10.0.0.9}
hosts:
  m1: {address: 10.0.0.1, roles: [control-plane]}
  m2: {address: 10.0.0.2, roles: [control-plane]}
  m3: {address: 10.0.0.3, roles: [control-plane]}
"""
BARE = "hosts: {m1: {address: 10.0.0.1, roles: [control-plane, worker]}}\n"
HEAD = "name: s\nkubernetes: v1.37.2\n"


def problems(text: str) -> list[str]:
    try:
        loads(HEAD + text + ("" if "hosts:" in text else BARE), "s.yaml")
    except SpecError as error:
        return [f"{problem.path}: {problem.message}" for problem in error.problems]
    return []


def arguments(component: str, **said: str) -> str:
    named = {name.replace("_", "-"): value for name, value in said.items()}
    return f"{component}: {{extraArgs: {json.dumps(named)}}}\n"


def lease(component: str, hosts: str = MASTERS, **said: str) -> str:
    return arguments(component, **{f"leader_elect_{name}": said[name] for name in said}) + hosts


def mode(value: str) -> str:
    return arguments("apiServer", authorization_mode=value)


REFUSED = {
    "modes that let everybody in": mode("AlwaysAllow,Node,RBAC"),
    "the same behind the others": mode("Node, RBAC ,AlwaysAllow"),
    "modes that let nobody in": mode("AlwaysDeny,Node,RBAC"),
    "modes of a file": arguments("apiServer", authorization_config="/x"),
    "tokens in a file": arguments("apiServer", token_auth_file="/x"),
    "an address that none reaches": arguments("apiServer", bind_address="127.0.0.1"),
    "another word for false": arguments("apiServer", anonymous_auth="F"),
    "node ports over the API": arguments("apiServer", service_node_port_range="6000-7000"),
    "node ports over kubelet": arguments("apiServer", service_node_port_range="10250-10250"),
    "node ports that are none": arguments("apiServer", service_node_port_range="7-x"),
    "node ports from behind": arguments("apiServer", service_node_port_range="32767-30000"),
    "other digits in ports": arguments("apiServer", service_node_port_range="\u0663-\u0664"),
    "a probe that fails": arguments("scheduler", secure_port="0"),
    "another probe that fails": arguments("controllerManager", secure_port="1"),
    "a lease that ends before its renewal": lease("controllerManager", renew_deadline="4s"),
    "a renewal later than the lease": lease("scheduler", lease_duration="3s"),
    "a lone one's renewal later than the lease": lease("scheduler", BARE, lease_duration="10s"),
    "asking too seldom to renew": lease("controllerManager", retry_period="2.5s"),
    "no time to renew": lease("scheduler", renew_deadline="600ms"),
    "a lease that is no time": lease("scheduler", lease_duration="4"),
    "a lease of no time": lease("controllerManager", retry_period="0s"),
    "a lease without end": lease("controllerManager", lease_duration="9" * 400 + "s"),
    "a lease in other digits": lease("controllerManager", lease_duration="\u0665s"),
    "half a second of a lease": lease("controllerManager", lease_duration="4.5s"),
    "a grace of one renewal": arguments("controllerManager", node_monitor_grace_period="13s"),
    "a grace that is no time": arguments("controllerManager", node_monitor_grace_period="20"),
    "a lease for another grace": "kubelet: {nodeLeaseDurationSeconds: 64}\n",
    "a lease of a node without end": f"kubelet: {{nodeLeaseDurationSeconds: {'9' * 400}}}\n",
    "one host's lease for another grace": BARE.replace(
        "worker]", "worker], kubelet: {nodeLeaseDurationSeconds: 64}"
    ),
    "pods that stay for a time in words": arguments(
        "apiServer", default_not_ready_toleration_seconds="30s"
    ),
    "members that nobody has signed": arguments("etcd", peer_auto_tls="true"),
    "writes that are lost": arguments("etcd", unsafe_no_fsync="true"),
    "more of CoreDNS than nodes": "dns: {replicas: 3}\n"
    "hosts: {m1: {address: 10.0.0.1, roles: [control-plane]},"
    " w1: {address: 10.0.0.2, roles: [worker]}}\n",
    "pods for everybody to read": "kubelet: {readOnlyPort: 10255}\n",
    "a kubelet that none reaches": "kubelet: {address: 127.0.0.1}\n",
    "a kubelet without its server": "kubelet: {enableServer: false}\n",
    "pods from elsewhere": "kubelet: {staticPodURL: 'http://x'}\n",
    "pods from elsewhere, with a header": "kubelet: {staticPodURLHeader: {a: [b]}}\n",
    "a number in words": "kubelet: {maxPods: many}\n",
    "a number in quotes": "kubelet: {maxPods: '50'}\n",
    "half a number": "kubelet: {maxPods: 1.5}\n",
    "a number that is true": "kubelet: {maxPods: true}\n",
    "true in quotes": "kubelet: {seccompDefault: 'true'}\n",
    "a duration without unit": "kubelet: {syncFrequency: 60}\n",
    "a duration of another unit": "kubelet: {syncFrequency: 1d}\n",
    "a text that is a number": "kubelet: {cpuManagerPolicy: 1}\n",
    "a path from here": "kubelet: {resolvConf: resolv.conf}\n",
    "a path of two lines": 'kubelet: {podLogsDir: "/a\\nb"}\n',
    "a list that is text": "kubelet: {tlsCipherSuites: x}\n",
    "a mapping that is a list": "kubelet: {evictionHard: [x]}\n",
    "of one host only": BARE.replace("worker]", "worker], kubelet: {maxPods: x}"),
    "no time between checks": "loadBalancer: {check: {interval: 0ms}}\n",
    "no time in other words": "loadBalancer: {check: {fastInterval: 0.0001s}}\n",
    "no time at all to connect": "loadBalancer: {connectTimeout: 0h0m0s}\n",
    "a duration in other digits": "loadBalancer: {check: {interval: \u0665s}}\n",
    "an address of a link": "apiServer: {certSans: ['fe80::1%eth0']}\n",
    "pods in the loopback network": "networks: {pods: 127.0.0.0/16}\n",
    "pods in the multicast network": "networks: {pods: 224.0.0.0/16}\n",
    "services in the link-local network": "networks: {services: 169.254.0.0/20}\n",
    "services in the reserved network": "networks: {services: 240.0.0.0/20}\n",
    "a jump port": "ssh: {jump: 'gate:99999'}\n",
    "a second jump port": "ssh: {jump: 'a@gate:22,b@gate:0'}\n",
    "hosts in other digits": "policies: {maxUnavailableWorkers: '\u0665'}\n",
    "a home that cannot be told":
        "hosts:\n  m1: {address: 10.0.0.1, roles: [control-plane]}\n"
        "  c1: {address: 10.0.0.2, roles: [client], ssh: {user: 'CORP\\admin'}}\n",
}  # fmt: skip
FINE = {
    "a webhook beside them": arguments("apiServer", authorization_mode="Node,RBAC,Webhook"),
    "true": arguments("apiServer", anonymous_auth="true"),
    "other node ports": arguments("apiServer", service_node_port_range="20000-22767"),
    "the same as the default": "kubelet: {readOnlyPort: 0, address: 0.0.0.0, enableServer: true}\n",
    "right types": "kubelet: {maxPods: 50, syncFrequency: 1m30s, seccompDefault: true,"
    " featureGates: {A: true}, tlsCipherSuites: [x], cpuManagerPolicy: static}\n",
    "nothing": "kubelet: {maxPods: null}\n",
    "leases": lease("controllerManager", lease_duration="15s", renew_deadline="10s"),
    "a lone one's lease": lease("scheduler", BARE, retry_period="3s"),
    "a lease in other words": lease("scheduler", lease_duration="0m5s", renew_deadline="4.9s"),
    "kubelet's own lease": "kubelet: {nodeLeaseDurationSeconds: null}\n",
    "a slow cluster": "kubelet: {nodeLeaseDurationSeconds: 64}\n"
    + arguments("controllerManager", node_monitor_grace_period="1m"),
    "pods that leave at once": arguments("apiServer", default_unreachable_toleration_seconds="0"),
    "durations": "loadBalancer: {connectTimeout: 0.001s,"
    " check: {interval: 1ms, fastInterval: 0h0m0.5s}}\n",
    "addresses and names": "apiServer: {certSans: ['fe80::1', 10.0.0.9, '*.example.org']}\n",
    "jumps": "ssh: {jump: 'a@gate:65535,gate,b@gate:1'}\n",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_open_the_cluster_or_fail_late_is_refused(what: str) -> None:
    assert len(problems(REFUSED[what])) == 1, problems(REFUSED[what])


@pytest.mark.parametrize("what", FINE)
def test_what_is_right_is_not(what: str) -> None:
    assert problems(FINE[what]) == []


def test_a_version_is_in_ascii_digits() -> None:
    with pytest.raises(SpecError, match="full version"):
        loads("name: s\nkubernetes: v1.\u0663\u0667.2\n" + BARE, "s.yaml")


def test_every_field_of_kubelet_is_owned_or_has_a_type() -> None:
    from kanae.spec.component_fields import KUBELET_FIELDS
    from kanae.spec.rules import kubelet

    kinds = ("BOOLEANS", "NUMBERS", "DURATIONS", "TEXTS", "PATHS", "LISTS", "MAPPINGS")
    typed: list[frozenset[str]] = [getattr(kubelet, f"_{kind}") for kind in kinds]
    open_ones = {"preloadedImagesVerificationAllowlist", "imagePullCredentialsVerificationPolicy",
                 "tlsCurvePreferences", "memoryThrottlingFactor", "memoryReservationPolicy",
                 "defaultPodSysctls"}  # fmt: skip
    assert frozenset[str]().union(*typed) <= KUBELET_FIELDS
    assert KUBELET_FIELDS - _KUBELET_OWNED.keys() - frozenset[str]().union(*typed) == open_ones
