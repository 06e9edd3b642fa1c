"""Addresses of hosts."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from kanae.spec.models import Spec
from kanae.spec.rules.violation import Violation


def host_rules(spec: Spec) -> Iterator[Violation]:
    seen: dict[IPv4Address, str] = {}
    for name, host in spec.hosts.items():
        first = seen.setdefault(host.address, name)
        if first != name:
            message = f"expected an address of its own; {host.address} is {first}'s already"
            yield Violation(("hosts", name, "address"), message, (("hosts", first, "address"),))
