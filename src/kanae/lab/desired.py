"""The record that a lab is to have, from its specs and what is recorded of it."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

from kanae.errors import LabError
from kanae.lab import network
from kanae.lab.network import Network
from kanae.lab.record import HostRecord, LabRecord, Phase, boot_id
from kanae.lab.release import DEFAULT, Image

if TYPE_CHECKING:
    from kanae.spec.models import Spec


def images(
    specs: Sequence[Spec], current: LabRecord | None, chosen: Mapping[str, Image]
) -> dict[str, Image]:
    """Every host's image: as chosen, else as recorded, else the default.

    current: the lab's record, None for a new lab. Raises LabError when a host that there is was
    made from another image than the chosen one.
    """
    found = {host.name: host.image for host in current.hosts} if current else {}
    for name, image in chosen.items():
        if found.setdefault(name, image) is not image:
            raise LabError(
                f"lab {specs[0].name}: {name} is {found[name]}, and cannot become {image}",
                remedy=f"kanae lab down {specs[0].name}, then up",
            )
    return {name: DEFAULT for spec in specs for name in spec.hosts} | found


def record(
    specs: Sequence[Spec],
    current: LabRecord | None,
    images: Mapping[str, Image],
    bases: Mapping[Image, Path],
) -> LabRecord:
    """What the lab's record is to be.

    specs: the lab's own, then its guests'. images: of every host. bases: of every image among
    them; those that the lab has are kept. A host that is recorded stays as it is. Raises LabError
    when its address in the spec is another, or when the lab's network cannot hold a host.
    """
    spec, *guests = specs
    wanted = _addresses(specs)
    kept = current.hosts if current else ()
    for known in kept:
        if known.name in wanted and wanted[known.name] != known.address:
            raise LabError(
                f"lab {spec.name}: {known.name} has the address {known.address}, the spec says "
                f"{wanted[known.name]}",
                remedy=f"kanae lab down {spec.name}, then up",
            )
    new = [n for n in wanted if n not in {h.name for h in kept}]
    net = _network(spec, wanted, new, current)
    first = max((h.index for h in kept), default=-1) + 1
    hosts = [
        HostRecord(
            name=name,
            address=wanted[name],
            index=first + i,
            machine_id=uuid.uuid4().hex,
            image=images[name],
        )
        for i, name in enumerate(new)
    ]
    return LabRecord(
        name=spec.name,
        phase=current.phase if current else Phase.CREATING,
        boot=boot_id(),
        subnet=net.subnet,
        gateway=net.gateway,
        bases={**bases, **(current.bases if current else {})},
        operator_password=current.operator_password if current else secrets.token_urlsafe(16),
        hosts=(*kept, *hosts),
        guests=tuple(
            dict.fromkeys([*(current.guests if current else ()), *(g.name for g in guests)])
        ),
    )


def _addresses(specs: Sequence[Spec]) -> dict[str, IPv4Address]:
    """Every host of all specs. LabError when they do not agree on one."""
    found: dict[str, IPv4Address] = {}
    for spec in specs:
        for name, wanted in spec.hosts.items():
            if found.setdefault(name, wanted.address) != wanted.address:
                raise LabError(
                    f"{name} is {found[name]} in one spec and {wanted.address} in another",
                    remedy="give the host one address in all specs of the lab",
                )
    return found


def _network(
    spec: Spec,
    wanted: Mapping[str, IPv4Address],
    new: Sequence[str],
    current: LabRecord | None,
) -> Network:
    """The lab's network; new: the hosts that one which is there must have room for."""
    if current is None:
        reserved = {spec.endpoint_address}
        reserved |= {virtual.address for virtual in spec.virtual_addresses}
        reserved = {a for a in reserved if a not in wanted.values() and a.is_private}
        net = network.plan(spec.name, wanted.values(), reserved)
        network.refuse_overlap(net, network.routes())
        return net
    net = current.network
    for name in new:
        if wanted[name] not in net.subnet or wanted[name] == net.gateway:
            raise LabError(
                f"lab {spec.name}: {name} cannot have {wanted[name]} in {net.subnet}, where "
                f"{net.gateway} is this machine",
                remedy=f"kanae lab down {spec.name}, then up",
            )
    return net
