from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from kanae.drills.running.proofs import TOLERATION_SECONDS
from kanae.plan.membership import without
from kanae.render import api_server, coredns, kubeadm
from kanae.render.documents import Document, from_yaml, merged, to_yaml
from kanae.render.kubelet_config import kubelet_configuration, kubelet_patch
from kanae.render.objects import covers
from kanae.spec import patience
from kanae.spec.duration import milliseconds
from kanae.spec.models import Spec

from ...model.fixtures import EXAMPLES, example
from .cases import V1, V2, small


def documents_by_kind(spec: Spec, host: str) -> dict[str, Any]:
    return {str(doc["kind"]): doc for doc in kubeadm.init_documents(spec, host, V2)}


def patch_of(spec: Spec, host: str, base: Any) -> Document | None:
    return from_yaml(kubelet_patch(spec, host, base))


def hosts_of(nodes: int) -> dict[str, Any]:
    """One master, the rest workers."""
    hosts: dict[str, Any] = {"m1": {"address": "10.0.0.10", "roles": ["control-plane"]}}
    for number in range(1, nodes):
        hosts[f"w{number}"] = {"address": f"10.0.0.{100 + number}", "roles": ["worker"]}
    return hosts


def test_only_the_first_documents_depend_on_the_host() -> None:
    spec = example("reference")
    one, other = (kubeadm.init_documents(spec, host, V2) for host in ("server1", "server2"))
    assert one[0] != other[0]
    assert one[1:] == other[1:]


def test_what_the_cluster_keeps_does_not_depend_on_facts() -> None:
    spec = example("reference")
    assert (
        kubeadm.init_documents(spec, "server1", V1)[1:]
        == kubeadm.init_documents(spec, "server1", V2)[1:]
    )


def test_external_etcd_is_reached_through_the_balancer_on_the_host() -> None:
    etcd = documents_by_kind(example("dedicated-etcd"), "master1")["ClusterConfiguration"]["etcd"]
    assert etcd["external"]["endpoints"] == ["https://127.0.0.1:2378"]
    assert "local" not in etcd


def test_stacked_etcd_keeps_kubeadms_own_corruption_check() -> None:
    etcd = documents_by_kind(example("vip"), "master1")["ClusterConfiguration"]["etcd"]
    arguments = {arg["name"]: arg["value"] for arg in etcd["local"]["extraArgs"]}
    assert "InitialCorruptCheck=true" in arguments["feature-gates"]
    assert not [name for name in arguments if name.startswith("experimental")]


def test_endpoint_name_is_used_where_there_is_one_and_the_certificate_has_both() -> None:
    spec = small(endpoint={"name": "api.example.org", "port": 6440})
    assert kubeadm.endpoint(spec) == "api.example.org:6440"
    assert {"api.example.org", "10.0.0.9"} <= set(api_server.certificate_sans(spec))


@pytest.mark.parametrize("name", EXAMPLES)
def test_certificates_name_the_endpoint_and_the_host_itself_and_no_other_host(name: str) -> None:
    spec = example(name)
    sans = api_server.certificate_sans(spec)
    assert len(sans) == len(set(sans))
    assert {"127.0.0.1", "localhost", str(spec.endpoint_address)} <= set(sans)
    others = {name for host, each in spec.hosts.items() for name in (host, str(each.address))}
    assert set(sans) & others <= {str(spec.endpoint_address)}


def test_a_lone_api_server_stops_without_delay_and_sends_nobody_away() -> None:
    assert api_server.arguments(example("single")).keys() == set(patience.TOLERATIONS)
    assert api_server.patch(example("single")) is None


def test_the_spec_has_the_last_word_on_api_server_arguments() -> None:
    spec = small(apiServer={"extraArgs": {"goaway-chance": "0", "profiling": "false"}})
    arguments = api_server.arguments(spec)
    assert arguments["goaway-chance"] == "0"
    assert arguments["profiling"] == "false"
    assert arguments["shutdown-delay-duration"] == "5s"


@pytest.mark.parametrize("name", ["single", "three-machines", "vip"])
def test_pods_leave_a_lost_node_soon_where_the_endpoint_outlives_any_other_host(name: str) -> None:
    arguments = api_server.arguments(example(name))
    assert [arguments.get(each) for each in patience.TOLERATIONS] == ["12", "12"]


@pytest.mark.parametrize("spec", [small(), small(endpoint={"address": "10.0.0.99"}, hosts={
    f"m{n}": {"address": f"10.0.0.{n}", "roles": ["control-plane"]} for n in (1, 2, 3)
}), small(endpoint={"name": "api.example.org", "address": "10.0.0.9"})],
    ids=["a lone balancer", "somebody else's", "one behind a name"])  # fmt: skip
def test_pods_stay_where_a_balancers_loss_may_silence_all_kubelets(spec: Spec) -> None:
    assert not api_server.arguments(spec).keys() & set(patience.TOLERATIONS)


def test_the_order_of_arguments_in_a_spec_changes_nothing() -> None:
    said = {"profiling": "false", "audit-log-maxage": "3"}
    there, back = (
        kubeadm.cluster_configuration(small(apiServer={"extraArgs": dict(each)}))
        for each in (said.items(), reversed(said.items()))
    )
    assert there == back


def test_api_servers_do_not_change_while_one_of_two_balancers_is_replaced() -> None:
    spec = example("vip")
    assert api_server.arguments(without(spec, "lb2")) == api_server.arguments(spec)


def test_a_node_is_lost_after_more_than_one_missed_renewal_and_its_pods_run_in_45_s() -> None:
    """The grace outlasts a renewal, the 10 s that kubelet waits for its answer, and a dead
    connection; with the check's period, the pods' patience and 3 s to start it is 45 s."""
    for spec in (small(), example("single")):
        manager = arguments_of(spec, "controllerManager")
        grace = milliseconds(manager["node-monitor-grace-period"]) / 1000
        period = milliseconds(manager["node-monitor-period"]) / 1000
        renewal = cast("int", kubelet_configuration(spec)["nodeLeaseDurationSeconds"]) / 4
        assert grace > renewal + 10 + patience.READ_IDLE + patience.PING
        assert grace + 2 * period + TOLERATION_SECONDS + 3 <= 45


def test_the_spec_has_the_last_word_on_lost_nodes() -> None:
    spec = small(
        kubelet={"nodeLeaseDurationSeconds": 40},
        controllerManager={"extraArgs": {"node-monitor-grace-period": "50s"}},
        apiServer={"extraArgs": {"default-unreachable-toleration-seconds": "60"}},
    )
    assert kubelet_configuration(spec)["nodeLeaseDurationSeconds"] == 40
    assert arguments_of(spec, "controllerManager")["node-monitor-grace-period"] == "50s"
    assert api_server.arguments(spec)["default-unreachable-toleration-seconds"] == "60"


def arguments_of(spec: Spec, component: str) -> dict[str, str]:
    said = kubeadm.cluster_configuration(spec)[component]
    listed = cast("Any", said).get("extraArgs", [])
    return {argument["name"]: argument["value"] for argument in listed}


@pytest.mark.parametrize("component", ["controllerManager", "scheduler"])
def test_leases_are_short_where_somebody_can_take_over(component: str) -> None:
    several = arguments_of(small(), component)
    assert several["leader-elect-lease-duration"] == "4s"
    assert several["leader-elect-renew-deadline"] == "3s"
    assert several["leader-elect-retry-period"] == "500ms"
    alone = arguments_of(example("single"), component)
    assert not [name for name in alone if name.startswith("leader-elect")]


def test_the_spec_has_the_last_word_on_leases() -> None:
    said = {"leader-elect-lease-duration": "15s"}
    spec = small(controllerManager={"extraArgs": said})
    assert arguments_of(spec, "controllerManager")["leader-elect-lease-duration"] == "15s"
    assert arguments_of(spec, "scheduler")["leader-elect-lease-duration"] == "4s"


def test_the_grace_of_the_pod_holds_the_delay_and_a_whole_request() -> None:
    patch = cast("Any", from_yaml(api_server.patch(example("vip")) or ""))
    assert patch["spec"]["terminationGracePeriodSeconds"] >= 5 + 60


@pytest.mark.parametrize(
    ("version", "base", "allowed", "ignored"),
    [
        ("v1.37.2", V1, True, True),
        ("v1.35.4", V1, True, True),
        ("v1.34.4", V1, True, False),
        ("v1.37.2", V1, False, False),
        ("v1.37.2", V2, True, False),
    ],
)
def test_one_preflight_check_is_ignored_and_only_where_it_must_fail(
    version: str, base: Any, allowed: bool, ignored: bool
) -> None:
    spec = small(kubernetes=version, policies={"allowCgroupV1": allowed})
    wanted = ("SystemVerification",) if ignored else ()
    assert kubeadm.ignored_preflight_errors(spec, base) == wanted
    registration = kubeadm.node_registration(spec, "w1", base)
    assert registration.get("ignorePreflightErrors", []) == list(wanted)
    patch = patch_of(spec, "w1", base) or {}
    assert patch.get("failCgroupV1") == (False if ignored else None)


def test_cgroup_driver_of_kubelet_follows_the_host() -> None:
    spec = small()
    assert (patch_of(spec, "w1", V1) or {})["cgroupDriver"] == "cgroupfs"
    assert patch_of(spec, "w1", V2) == {}
    assert kubelet_configuration(spec)["cgroupDriver"] == "systemd"


def test_only_masters_retry_failed_containers_every_ten_seconds() -> None:
    assert "crashLoopBackOff" in (patch_of(small(), "m1", V2) or {})
    assert "crashLoopBackOff" not in (patch_of(small(), "w1", V2) or {})
    assert patch_of(small(kubernetes="v1.34.4"), "m1", V2) == {}


def test_kubelet_settings_of_a_host_go_into_its_patch_alone() -> None:
    spec = small(kubelet={"maxPods": 200})
    host = spec.hosts["w1"].model_copy(update={"kubelet": {"maxPods": 50}})
    spec = spec.model_copy(update={"hosts": {**spec.hosts, "w1": host}})
    assert kubelet_configuration(spec)["maxPods"] == 200
    assert patch_of(spec, "w1", V2) == {"maxPods": 50}
    assert "maxPods" not in (patch_of(spec, "m1", V2) or {})


def test_swap_is_tolerated_only_by_policy() -> None:
    assert "failSwapOn" not in kubelet_configuration(small())
    tolerant = kubelet_configuration(small(policies={"swap": "tolerate"}))
    assert tolerant["failSwapOn"] is False
    assert tolerant["memorySwap"] == {"swapBehavior": "NoSwap"}


def test_taints_are_said_even_when_there_are_none() -> None:
    spec = example("three-machines")
    assert kubeadm.node_registration(spec, "node1", V2)["taints"] == []
    assert kubeadm.taints(example("vip"), "master1") == [
        {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    ]


def test_proxy_settings_of_the_spec_are_laid_over_the_defaults() -> None:
    spec = small(kubeProxy={"settings": {"conntrack": {"maxPerCore": 1000}}})
    proxy = cast("Any", kubeadm.proxy_configuration(spec))
    assert proxy["conntrack"]["maxPerCore"] == 1000
    assert proxy["conntrack"]["min"] == 0


@pytest.mark.parametrize("name", ["vip", "three-machines", "reference", "single"])
def test_conntrack_is_liberal_where_a_balancer_may_take_clients_over(name: str) -> None:
    """Else it would keep what ends their waiting from pods behind a Service's address."""
    spec = example(name)
    proxy = cast("Any", kubeadm.proxy_configuration(spec))
    assert proxy["conntrack"].get("tcpBeLiberal", False) is bool(spec.virtual_addresses)


def test_a_join_shows_placeholders_in_place_of_secrets() -> None:
    text = to_yaml(kubeadm.join_documents(small(), "m2", V2, control_plane=True))
    assert "@TOKEN@" in text
    assert "@CA_CERT_HASH@" in text
    secrets = kubeadm.JoinSecrets("abcdef.0123456789abcdef", ("sha256:00",))
    [document] = kubeadm.join_documents(small(), "m2", V2, True, secrets)
    assert cast("Any", document)["discovery"]["bootstrapToken"] == {
        "apiServerEndpoint": "10.0.0.9:6440",
        "token": "abcdef.0123456789abcdef",
        "caCertHashes": ["sha256:00"],
    }


def test_a_worker_joins_without_a_control_plane() -> None:
    [document] = kubeadm.join_documents(small(), "w1", V2, control_plane=False)
    assert "controlPlane" not in document


def test_configuration_in_the_cluster_is_found_and_compared() -> None:
    wanted = kubeadm.cluster_configuration(small())
    kept: Document = {**wanted, "certificatesDir": "/etc/kubernetes/pki"}
    live = {"data": {"ClusterConfiguration": to_yaml([kept])}}
    held = kubeadm.held(live, "ClusterConfiguration")
    assert covers(held, wanted)
    assert not covers(kubeadm.held(None, "ClusterConfiguration"), wanted)


def test_merging_goes_into_mappings_and_leaves_both_alone() -> None:
    base: Document = {"a": {"b": 1, "c": [1]}, "d": 1}
    assert merged(base, {"a": {"c": [2]}, "e": 2}) == {"a": {"b": 1, "c": [2]}, "d": 1, "e": 2}
    assert base == {"a": {"b": 1, "c": [1]}, "d": 1}


def test_a_host_of_another_architecture_changes_nothing_here() -> None:
    spec = example("vip")
    arm = replace(V2, arch="arm64")
    assert kubeadm.init_documents(spec, "master1", arm) == kubeadm.init_documents(
        spec, "master1", V2
    )


@pytest.mark.parametrize(
    ("fields", "replicas", "apart"),
    [
        ({}, 3, True),
        ({"dns": {"replicas": 2}}, 2, True),
        ({"hosts": hosts_of(1)}, 2, False),
        ({"hosts": hosts_of(1), "dns": {"replicas": 5}}, 5, False),
        ({"hosts": hosts_of(25)}, 10, True),
    ],
)
def test_coredns_has_a_pod_on_every_node_that_takes_it(
    fields: dict[str, object], replicas: int, apart: bool
) -> None:
    wanted = coredns.wanted(small(**fields))
    assert (wanted["replicas"], bool(wanted["apart"])) == (replicas, apart)


@pytest.mark.parametrize(
    ("taint", "takes"),
    [
        ({"key": "CriticalAddonsOnly", "effect": "NoExecute", "value": "x"}, True),
        ({"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "effect": "PreferNoSchedule"}, True),
        ({"key": "gpu", "effect": "NoSchedule"}, False),
        ({"key": "node-role.kubernetes.io/control-plane", "effect": "NoExecute"}, False),
        (
            {
                "key": "node-role.kubernetes.io/control-plane",
                "effect": "NoSchedule",
                "value": "x",
            },
            False,
        ),
    ],
)
def test_which_nodes_take_coredns(taint: dict[str, str], takes: bool) -> None:
    hosts = hosts_of(2)
    hosts["w1"]["taints"] = [taint]
    assert small(hosts=hosts).dns_hosts == (("m1", "w1") if takes else ("m1",))
