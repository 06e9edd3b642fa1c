"""Rules that need more than one field of a spec, each in words and at its place."""

from __future__ import annotations

from collections.abc import Iterator

from kanae.spec.models import Spec
from kanae.spec.rules.arguments import argument_rules
from kanae.spec.rules.artifacts import artifact_rules, file_rules
from kanae.spec.rules.backup import backup_rules
from kanae.spec.rules.cluster import cluster_rules
from kanae.spec.rules.endpoint import endpoint_rules
from kanae.spec.rules.former import former_rules
from kanae.spec.rules.hosts import host_rules, role_rules
from kanae.spec.rules.networks import network_rules, pod_network_rules
from kanae.spec.rules.nodes import node_rules
from kanae.spec.rules.patience import patience_rules
from kanae.spec.rules.violation import Rule, Violation

__all__ = ["Violation", "violations"]

RULES: tuple[Rule, ...] = (
    cluster_rules,
    host_rules,
    role_rules,
    network_rules,
    pod_network_rules,
    endpoint_rules,
    former_rules,
    node_rules,
    argument_rules,
    patience_rules,
    artifact_rules,
    file_rules,
    backup_rules,
)


def violations(spec: Spec) -> Iterator[Violation]:
    """Everything in a well-formed spec that cannot work."""
    for rule in RULES:
        yield from rule(spec)
