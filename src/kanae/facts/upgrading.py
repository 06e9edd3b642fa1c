"""What of a living cluster may stand in an upgrade's way, as the API tells it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from kanae.facts.pods import Budget
from kanae.shown import shown

Object = Mapping[str, Any]

# A gauge of every API server, 1 for each deprecated API that somebody has asked it for since it
# started (apiserver/pkg/endpoints/metrics/metrics.go).
DEPRECATED: Final = "apiserver_requested_deprecated_apis"
_LABEL: Final = re.compile(r'([a-z_]+)="([^"]{0,200})"')
# Of objects in no namespace, those that API servers write themselves when they start
# (pkg/registry/*/rest, storage_*.go: the post-start hooks). A webhook that must answer and does not
# match exactly lets none of them start (kubernetes/kubernetes#137356).
_AT_START: Final = {
    "apiregistration.k8s.io": {"apiservices"},
    "flowcontrol.apiserver.k8s.io": {"flowschemas", "prioritylevelconfigurations"},
    "networking.k8s.io": {"servicecidrs", "ipaddresses"},
    "rbac.authorization.k8s.io": {"clusterroles", "clusterrolebindings"},
    "scheduling.k8s.io": {"priorityclasses"},
    "": {"namespaces"},
}


@dataclass(frozen=True, slots=True)
class DeprecatedApi:
    """removed: the minor that has it no more, as in 1.38; "" where none is said."""

    group: str
    version: str
    resource: str
    removed: str

    def __str__(self) -> str:
        place = f"{self.group}/{self.version}" if self.group else self.version
        return f"{self.resource} of {place}"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One that must answer before something is written. object: its configuration's kind and name.

    matches: what of `_AT_START`, resources with their groups. narrowed: it may pass over them for
    other reasons.
    """

    object: str
    name: str
    matches: tuple[str, ...]
    narrowed: bool


@dataclass(frozen=True, slots=True)
class Upgrading:
    """deprecated: by host, what its API server was asked for. None where nobody could be asked."""

    deprecated: Mapping[str, tuple[DeprecatedApi, ...]] = field(
        default_factory=dict[str, tuple[DeprecatedApi, ...]]
    )
    webhooks: tuple[Webhook, ...] | None = None
    budgets: tuple[Budget, ...] | None = None


def parse_deprecated(text: str) -> tuple[DeprecatedApi, ...]:
    """Lines of the gauge in an API server's metrics."""
    found: dict[DeprecatedApi, None] = {}
    for line in text.splitlines():
        if not line.startswith(f"{DEPRECATED}{{") or line.rstrip().endswith(" 0"):
            continue
        labels = {name: shown(value) for name, value in _LABEL.findall(line)}
        names = ("group", "version", "resource", "removed_release")
        found[DeprecatedApi(*(labels.get(name, "") for name in names))] = None
    return tuple(found)


def webhooks(listed: object) -> tuple[Webhook, ...]:
    """Of a list of ValidatingWebhookConfigurations and MutatingWebhookConfigurations as JSON."""
    items = cast("Sequence[Object]", cast("Object", listed).get("items") or ())
    return tuple(each for item in items for each in _webhooks(item))


def _webhooks(item: Object) -> Iterator[Webhook]:
    of = shown(f"{item.get('kind', 'webhook')} {item['metadata']['name']}")
    for each in cast("Sequence[Object]", item.get("webhooks") or ()):
        if each.get("failurePolicy", "Fail") != "Fail":
            continue
        if matches := tuple(
            sorted({m for rule in each.get("rules") or () for m in _matched(rule)})
        ):
            narrowed = bool(each.get("objectSelector") or each.get("matchConditions"))
            yield Webhook(of, shown(str(each.get("name", ""))), matches, narrowed)


def _matched(rule: Object) -> Iterator[str]:
    """Of `_AT_START`, what a RuleWithOperations matches."""
    operations = set(rule.get("operations") or ())
    if rule.get("scope", "*") == "Namespaced" or not operations & {"*", "CREATE", "UPDATE"}:
        return
    groups, resources = set(rule.get("apiGroups") or ()), set(rule.get("resources") or ())
    for group, names in _AT_START.items():
        if groups & {"*", group}:
            hit = names if resources & {"*", "*/*"} else names & resources
            yield from (f"{name}.{group}" if group else name for name in hit)
