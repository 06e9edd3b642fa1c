"""Which hosts may register as nodes."""

from __future__ import annotations

from typing import Any, cast

from kanae.render import registration
from kanae.spec.models import Spec

SPEC = Spec.model_validate(
    {
        "name": "it",
        "kubernetes": "v1.37.2",
        "hosts": {
            "lb": {"address": "10.0.0.9", "roles": ["load-balancer"]},
            "m1": {"address": "10.0.0.11", "roles": ["control-plane"]},
            "w1": {"address": "10.0.0.12", "roles": ["worker"]},
        },
    }
)


def test_nodes_of_the_spec_may_and_no_others() -> None:
    policy, binding = cast("Any", registration.objects(SPEC))
    (rule,) = policy["spec"]["validations"]
    assert rule["expression"] == 'object.metadata.name in ["m1", "w1"]'
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert binding["spec"]["validationActions"] == ["Deny"]


def test_only_kubelets_that_make_their_node_are_judged() -> None:
    policy, _ = cast("Any", registration.objects(SPEC))
    (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]
    assert (rule["operations"], rule["resources"]) == (["CREATE"], ["nodes"])
    (condition,) = policy["spec"]["matchConditions"]
    assert condition["expression"] == "'system:nodes' in request.userInfo.groups"
