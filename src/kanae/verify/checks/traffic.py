"""What hosts need of each other, as it was tried between them; and the virtual address."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from kanae.facts.ports import Outcome
from kanae.plan.answering import may_have
from kanae.verify.model import Finding, Subject, error, info, warning

_SAID = {
    Outcome.SILENT: ("no answer", "a firewall or a router drops it"),
    Outcome.REFUSED: ("refused", "a firewall there says no"),
    Outcome.UNROUTED: ("no way there", "a firewall or the routes between them say no"),
}


def traffic(subject: Subject) -> Iterator[Finding]:
    """One finding for all ports that fail between the same hosts in the same way. What a host lacks
    that the cluster has already taken up only warns: its repair must not wait for it."""
    failed: dict[tuple[str, Outcome, str], list[str]] = {}
    for path, outcome in subject.tried.outcomes:
        if outcome is not Outcome.ANSWERED:
            key = (path.target, outcome, f"{path.port} ({path.purpose})")
            failed.setdefault(key, []).append(path.source)
    alike: dict[tuple[str, Outcome, tuple[str, ...]], list[str]] = {}
    for (target, outcome, port), sources in failed.items():
        alike.setdefault((target, outcome, tuple(sources)), []).append(port)
    for (target, outcome, sources), ports in alike.items():
        said, why = _SAID[outcome]
        make = warning if subject.ours(target) else error
        yield make(
            "traffic",
            target,
            f"{said} on {', '.join(ports)} from {', '.join(sources)}",
            f"{why}: let the cluster's hosts reach it there (`nft list ruleset` on it)",
        )
    for host in subject.tried.untried:
        evidence = "it lacks bash, or Python and Perl: not all that hosts need was tried"
        yield info("traffic", host, evidence)


def virtual_address(subject: Subject) -> Iterator[Finding]:
    """It must be nobody's until keepalived of this cluster's balancers gives it to one of them."""
    for virtual in subject.spec.virtual_addresses:
        yield from _vacant(subject, virtual.address)


def _vacant(subject: Subject, wanted: IPv4Address) -> Iterator[Finding]:
    for host, facts in subject.hosts():
        has = any(
            cidr.partition("/")[0] == str(wanted)
            for interface in facts.base.interfaces
            for cidr in interface.addresses
        )
        if has and not may_have(subject.spec.name, facts, wanted):
            yield error(
                "virtual-address",
                host,
                f"it has the virtual address {wanted} already",
                "take it off that host, or choose another loadBalancer.virtualAddress",
            )
    for host, probe in subject.probes.items():
        if wanted in probe.holders:
            yield error(
                "virtual-address",
                host,
                f"somebody answers at the virtual address {wanted} ({probe.holders[wanted]})",
                "choose an address of the network that nobody has",
            )
