"""The Service `kubernetes`: who is behind it, who may say so, and who goes another way."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any, cast

import pytest

from kanae.facts.model import ObjectKey
from kanae.render import api_server, flannel, in_cluster, weave
from kanae.render.objects import key_of
from kanae.spec.models import Spec

from ...model.fixtures import document_of, example


def test_both_objects_name_the_same_and_are_labelled_as_api_servers_label_them() -> None:
    addresses = [IPv4Address("10.0.0.9"), IPv4Address("10.0.0.8")]
    endpoints, slice_ = cast("Any", in_cluster.named(addresses, 6440))
    (subset,) = endpoints["subsets"]
    assert [each["ip"] for each in subset["addresses"]] == ["10.0.0.8", "10.0.0.9"]
    assert [each["addresses"] for each in slice_["endpoints"]] == [["10.0.0.8"], ["10.0.0.9"]]
    assert subset["ports"] == slice_["ports"]
    assert subset["ports"] == [{"name": "https", "port": 6440, "protocol": "TCP"}]
    assert endpoints["metadata"]["labels"] == {"endpointslice.kubernetes.io/skip-mirror": "true"}
    assert slice_["metadata"]["labels"] == {"kubernetes.io/service-name": "kubernetes"}
    assert key_of(slice_) == in_cluster.SLICE
    assert key_of(endpoints) == ObjectKey("endpoints", "default", "kubernetes")


def test_only_api_servers_are_kept_off_these_two_objects() -> None:
    policy, binding = cast("Any", in_cluster.guard())
    constraints = policy["spec"]["matchConstraints"]
    assert constraints["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "default"
    }
    assert [(r["resources"], r["resourceNames"]) for r in constraints["resourceRules"]] == [
        (["endpoints"], ["kubernetes"]),
        (["endpointslices"], ["kubernetes"]),
    ]
    (rule,) = policy["spec"]["validations"]
    assert rule["expression"] == "request.userInfo.username != 'system:apiserver'"
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert binding["spec"] == {
        "policyName": policy["metadata"]["name"],
        "validationActions": ["Deny"],
    }
    assert in_cluster.guard_keys() == (key_of(binding), key_of(policy))


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("vip", None, "none"),
        ("vip", "masters", None),
        ("single", None, None),
        ("three-machines", None, "none"),
    ],
)
def test_api_servers_say_who_they_are_unless_pods_reach_the_balancer(
    name: str, said: str | None, expected: str | None
) -> None:
    document = document_of(name)
    document.setdefault("endpoint", {})["inCluster"] = said
    arguments = api_server.arguments(Spec.model_validate(document))
    assert arguments.get("endpoint-reconciler-type") == expected


@pytest.mark.parametrize("name", ["single", "three-machines", "reference"])
def test_pod_networks_go_by_the_endpoint(name: str) -> None:
    """kube-proxy, by which the Service's address answers, may start later than they do."""
    spec = example(name)
    wanted = {
        "KUBERNETES_SERVICE_HOST": str(spec.endpoint_address),
        "KUBERNETES_SERVICE_PORT": str(spec.endpoint.port),
    }
    agents = cast("list[Any]", [*flannel.objects(spec, "flannel:1"), *weave.objects(spec)])
    pods = [each["spec"]["template"]["spec"] for each in agents if each["kind"] == "DaemonSet"]
    asking = [container for pod in pods for container in pod["containers"]]
    assert {each["name"] for each in asking} == {"kube-flannel", "weave", "weave-npc"}
    for each in asking:
        told = {entry["name"]: entry.get("value") for entry in each["env"]}
        assert wanted.items() <= told.items()
    # No cluster DNS is there while they start: names are resolved as the host does.
    assert {pod.get("dnsPolicy", "ClusterFirst") for pod in pods} == {"ClusterFirst", "Default"}
