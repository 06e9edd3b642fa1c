"""What must be different on every host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kanae.verify.model import Finding, Subject, error, info, warning


def hostname(subject: Subject) -> Iterator[Finding]:
    names = {host: facts.base.hostname for host, facts in subject.hosts()}
    for name, hosts in _shared(names):
        yield warning(
            "hostname",
            None,
            f"{hosts} are all called {name}; their nodes get the names in the spec",
            "give each a name of its own: hostnamectl set-hostname NAME",
        )
    for host, name in names.items():
        if name.partition(".")[0] != host:
            yield info("hostname", host, f"it calls itself {name}; its node is called {host}")


def machine_id(subject: Subject) -> Iterator[Finding]:
    remedy = "rm /etc/machine-id && systemd-machine-id-setup && reboot"
    ids = {host: facts.base.machine_id for host, facts in subject.hosts()}
    for host, value in ids.items():
        if not value or value == "uninitialized":
            yield error("machine-id", host, "/etc/machine-id is empty", remedy)
    for value, hosts in _shared(ids):
        yield error("machine-id", None, f"{hosts} all have the machine-id {value}", remedy)


def mac(subject: Subject) -> Iterator[Finding]:
    """Of the interfaces that hold the hosts' addresses: bridges of pods may well be alike."""
    found: dict[str, str] = {}
    for host, facts in subject.hosts():
        address = f"{subject.spec.hosts[host].address}/"
        for interface in facts.base.interfaces:
            if any(cidr.startswith(address) for cidr in interface.addresses):
                found[host] = interface.mac
    for value, hosts in _shared(found):
        remedy = "give each (virtual) machine a hardware address of its own"
        yield error("mac", None, f"{hosts} all have the hardware address {value}", remedy)


def product_uuid(subject: Subject) -> Iterator[Finding]:
    uuids = {host: facts.base.product_uuid for host, facts in subject.hosts()}
    for value, hosts in _shared(uuids):
        yield warning(
            "product-uuid",
            None,
            f"{hosts} all have the DMI product UUID {value}",
            "storage and cloud drivers tell nodes apart by it; clones get a new one when they are "
            "made anew",
        )


def _shared(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Values that several hosts have, with the hosts' names; empty values are nobody's."""
    hosts: dict[str, list[str]] = {}
    for host, value in values.items():
        hosts.setdefault(value, []).append(host)
    for value, names in hosts.items():
        if value and len(names) > 1:
            yield value, f"{', '.join(names[:-1])} and {names[-1]}"
