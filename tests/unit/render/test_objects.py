from __future__ import annotations

import json
from typing import Any, cast

import pytest

from kanae.facts.model import ObjectKey
from kanae.render import flannel, weave
from kanae.render.documents import Document
from kanae.render.objects import covers, digest, key_of

from ...model.fixtures import example
from .cases import V1, V2, small

IMAGE = "ghcr.io/flannel-io/flannel:v0.28.10"


def by_kind(objects: list[dict[str, object]], kind: str) -> Any:
    [found] = [cast("Any", document) for document in objects if document["kind"] == kind]
    return found


@pytest.mark.parametrize(
    ("api_version", "kind", "resource", "namespace"),
    [
        ("v1", "ConfigMap", "configmaps", "default"),
        ("v1", "Namespace", "namespaces", ""),
        ("v1", "Endpoints", "endpoints", "default"),
        ("apps/v1", "DaemonSet", "daemonsets.apps", "default"),
        ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies.networking.k8s.io", "default"),
        ("networking.k8s.io/v1", "IngressClass", "ingressclasses.networking.k8s.io", ""),
        ("networking.k8s.io/v1", "Ingress", "ingresses.networking.k8s.io", "default"),
        ("gateway.networking.k8s.io/v1", "Gateway", "gateways.gateway.networking.k8s.io", ""),
    ],
)
def test_objects_are_named_and_placed_as_kubectl_does_it(
    api_version: str, kind: str, resource: str, namespace: str
) -> None:
    """Of a kind that is not known here, kubectl itself has to tell whether it has a namespace."""
    document = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}}
    assert key_of(document) == ObjectKey(resource, namespace, "x")
    assert key_of(document | {"metadata": {"name": "x", "namespace": None}}).namespace == namespace


def test_what_kubernetes_adds_is_no_difference() -> None:
    wanted: Document = {"a": [{"b": 1}], "period": "1m", "empty": {}, "none": []}
    live: Document = {"a": [{"b": 1, "default": 2}], "period": "1m0s", "status": {}}
    assert covers(live, wanted)


def test_a_zero_that_kubeadm_leaves_out_of_its_config_maps_is_no_difference() -> None:
    """`kubelet: {readOnlyPort: 0}`, which hardening guides ask for, was drift for ever."""
    wanted = {"readOnlyPort": 0, "protectKernelDefaults": False, "cgroupRoot": ""}
    assert covers({"kind": "KubeletConfiguration"}, wanted)
    assert not covers({"readOnlyPort": 10255}, wanted)
    assert covers({"metadata": {}}, {"metadata": {"creationTimestamp": None}})
    # Pointers: nothing said is the default, which is another value.
    for pointed in ({"failSwapOn": False}, {"resolvConf": ""}, {"oomScoreAdj": 0}):
        assert not covers({}, pointed)


@pytest.mark.parametrize(
    "wanted",
    [
        {"automountServiceAccountToken": False},
        {"runAsUser": 0},
        {"storageClassName": ""},
        {"nodeSelector": {"node-role.kubernetes.io/control-plane": ""}},
        {"data": {"value": ""}},
    ],
)
def test_a_zero_that_says_something_is_one(wanted: Document) -> None:
    assert not covers({"nodeSelector": {}, "data": {}}, wanted)


@pytest.mark.parametrize(
    "live",
    [
        {"a": [1, 2, 3], "b": "x"},
        {"a": [1, 3], "b": "x"},
        {"a": [1, 2]},
        {"a": [1, 2], "b": "y"},
        {"a": {"1": 2}, "b": "x"},
        None,
    ],
)
def test_what_somebody_changed_is_one(live: object) -> None:
    assert not covers(live, {"a": [1, 2], "b": "x"})


def test_digest_changes_with_any_object_and_not_with_the_order_of_keys() -> None:
    assert digest([{"a": 1, "b": 2}]) == digest([{"b": 2, "a": 1}])
    assert digest([{"a": 1}]) != digest([{"a": 2}])


def test_flannel_uses_the_tables_that_kube_proxy_uses() -> None:
    for mode, nft in (("nftables", True), ("iptables", False)):
        objects = flannel.objects(small(kubeProxy={"mode": mode}), IMAGE)
        network = json.loads(by_kind(objects, "ConfigMap")["data"]["net-conf.json"])
        assert network["EnableNFTables"] is nft


def test_flannels_pods_restart_when_its_configuration_changes() -> None:
    def annotations(pods: str) -> object:
        objects = flannel.objects(small(networks={"pods": pods}), IMAGE)
        return by_kind(objects, "DaemonSet")["spec"]["template"]["metadata"]["annotations"]

    assert annotations("10.1.0.0/16") != annotations("10.2.0.0/16")
    assert annotations("10.1.0.0/16") == annotations("10.1.0.0/16")


def test_flannel_asks_for_no_program_that_its_image_lacks() -> None:
    pod = by_kind(flannel.objects(small(), IMAGE), "DaemonSet")["spec"]["template"]["spec"]
    containers = [*pod["initContainers"], *pod["containers"]]
    assert {container["image"] for container in containers} == {IMAGE}
    assert [container["command"] for container in containers] == [
        ["/opt/bin/install-conf"],
        ["/opt/bin/flanneld"],
    ]


@pytest.mark.parametrize(
    ("bases", "slow"), [((), True), ((V2, V2), False), ((V2, V1), True)], ids=["?", "all", "some"]
)
def test_weave_goes_without_the_fast_datapath_unless_every_kernel_has_it(
    bases: Any, slow: bool
) -> None:
    pod = by_kind(weave.objects(example("vip"), bases), "DaemonSet")["spec"]["template"]["spec"]
    for container in (*pod["initContainers"], pod["containers"][0]):
        names = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert (names.get("WEAVE_NO_FASTDP") == "1") is slow
        assert names["IPALLOC_RANGE"] == "10.244.0.0/16"
        assert names["INIT_CONTAINER"] == "true"


def test_every_volume_that_is_mounted_exists() -> None:
    for objects in (flannel.objects(small(), IMAGE), weave.objects(small())):
        pod = by_kind(objects, "DaemonSet")["spec"]["template"]["spec"]
        mounted = {
            mount["name"]
            for container in (*pod["initContainers"], *pod["containers"])
            for mount in container["volumeMounts"]
        }
        assert mounted == {volume["name"] for volume in pod["volumes"]}
