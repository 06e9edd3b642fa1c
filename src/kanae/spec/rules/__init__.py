"""Rules that need more than one field of a spec, each in words and at its place."""

from __future__ import annotations

from collections.abc import Iterator

from kanae.spec.models import Spec
from kanae.spec.rules.hosts import host_rules
from kanae.spec.rules.violation import Rule, Violation

__all__ = ["Violation", "violations"]

RULES: tuple[Rule, ...] = (host_rules,)


def violations(spec: Spec) -> Iterator[Violation]:
    """Everything in a well-formed spec that cannot work."""
    for rule in RULES:
        yield from rule(spec)
