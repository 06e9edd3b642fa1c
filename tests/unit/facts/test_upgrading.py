"""What an API server's metrics and the webhooks of a cluster tell before an upgrade."""

from __future__ import annotations

from typing import Any

import pytest

from kanae.facts.pods import budgets
from kanae.facts.upgrading import DeprecatedApi, parse_deprecated, webhooks

_GAUGE = "apiserver_requested_deprecated_apis"
_CORE = (
    f'{_GAUGE}{{group="",removed_release="",resource="endpoints",subresource="",version="v1"}} 1'
)
_GONE = (
    f'{_GAUGE}{{group="flowcontrol.apiserver.k8s.io",removed_release="1.32",resource="flowschemas"'
    ',subresource="",version="v1beta3"} 1'
)


def test_deprecated_apis_are_told_once_each_and_none_that_nobody_asked_for() -> None:
    status = _GONE.replace('subresource=""', 'subresource="status"')
    text = "\n".join(["# HELP x", _CORE, _GONE, status, _GONE.replace("} 1", "} 0"), "other 1"])
    core, gone = parse_deprecated(text)
    assert core == DeprecatedApi("", "v1", "endpoints", "")
    assert gone.removed == "1.32"
    assert str(gone) == "flowschemas of flowcontrol.apiserver.k8s.io/v1beta3"


def _configuration(**fields: Any) -> dict[str, Any]:
    rule = {
        "apiGroups": ["rbac.authorization.k8s.io"],
        "resources": ["*"],
        "operations": ["CREATE", "UPDATE"],
    }
    webhook = {"name": "check.example", "failurePolicy": "Fail", "rules": [rule]} | fields
    return {
        "items": [
            {
                "kind": "ValidatingWebhookConfiguration",
                "metadata": {"name": "policy"},
                "webhooks": [webhook],
            }
        ]
    }


def test_a_webhook_that_must_answer_before_roles_are_written_is_told() -> None:
    (found,) = webhooks(_configuration())
    assert found.object == "ValidatingWebhookConfiguration policy"
    assert found.matches == (
        "clusterrolebindings.rbac.authorization.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
    )
    assert not found.narrowed
    (narrowed,) = webhooks(_configuration(objectSelector={"matchLabels": {"a": "b"}}))
    assert narrowed.narrowed


@pytest.mark.parametrize(
    "fields",
    [
        {"failurePolicy": "Ignore"},
        {"rules": [{"apiGroups": ["apps"], "resources": ["*"], "operations": ["*"]}]},
        {"rules": [{"apiGroups": ["*"], "resources": ["*"], "operations": ["DELETE"]}]},
        {
            "rules": [
                {
                    "apiGroups": ["*"],
                    "resources": ["*"],
                    "operations": ["*"],
                    "scope": "Namespaced",
                }
            ]
        },
    ],
)
def test_one_that_no_api_server_asks_at_its_start_is_not(fields: dict[str, Any]) -> None:
    assert webhooks(_configuration(**fields)) == ()


@pytest.mark.parametrize(
    ("expected", "desired", "never"), [(2, 2, True), (2, 3, True), (2, 1, False), (0, 0, False)]
)
def test_a_budget_that_wants_all_of_its_pods_lets_none_go(
    expected: int, desired: int, never: bool
) -> None:
    status = {"expectedPods": expected, "desiredHealthy": desired}
    item = {"metadata": {"namespace": "a", "name": "b"}, "spec": {}, "status": status}
    (budget,) = budgets({"items": [item]})
    assert budget.never is never
