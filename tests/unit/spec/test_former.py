"""Where the endpoint was: who answers there while it moves, by the spec alone."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from kanae.spec.models import Spec
from kanae.spec.rules import violations

from ...model.fixtures import document_of

VIRTUAL = {"address": "10.77.2.100", "port": 6440, "vrrp": {"routerId": 51}}


def moving(endpoint: dict[str, Any], **balancer: Any) -> Spec:
    """`vip` with another endpoint."""
    return Spec.model_validate(
        document_of("vip") | {"endpoint": endpoint, "loadBalancer": {"kind": "haproxy"} | balancer}
    )


def words(spec: Spec) -> list[str]:
    return [f"{'.'.join(map(str, each.path))}: {each.message}" for each in violations(spec)]


def test_a_former_virtual_address_is_held_beside_the_new_one() -> None:
    virtual = {"address": "10.77.2.101", "routerId": 52}
    spec = moving({"port": 7443, "former": [VIRTUAL]}, virtualAddress=virtual)
    assert words(spec) == []
    held = {(str(each.address), each.router_id) for each in spec.virtual_addresses}
    assert held == {("10.77.2.101", 52), ("10.77.2.100", 51)}
    assert spec.balanced_ports == (7443, 6440)


@pytest.mark.parametrize(
    ("address", "port", "balanced"),
    # A balancer's own address, an API server's, and that of somebody else's balancer.
    [("10.77.2.8", 6440, (6440,)), ("10.77.2.11", 6443, (6440,)), ("10.77.2.200", 80, (80, 6440))],
)
def test_an_endpoint_may_leave_a_virtual_address_for_any_other(
    address: str, port: int, balanced: tuple[int, ...]
) -> None:
    spec = moving({"address": address, "port": port, "former": [VIRTUAL]})
    assert words(spec) == []
    assert spec.balanced_ports == balanced
    assert [each.address for each in spec.virtual_addresses] == [IPv4Address("10.77.2.100")]
    without = moving({"address": address, "port": port})
    assert bool(words(without)) is (address != "10.77.2.200")


def test_a_port_that_changes_needs_no_more_than_the_former_one() -> None:
    former = [{"address": "10.77.2.100", "port": 6440}]
    virtual = {"address": "10.77.2.100"}
    spec = moving({"port": 7443, "former": former}, virtualAddress=virtual)
    assert words(spec) == []
    assert spec.balanced_ports == (7443, 6440)
    assert len(spec.virtual_addresses) == 1


def test_a_balancer_has_something_to_answer() -> None:
    """Straight to an API server, and formerly to another one: nothing is left for balancers."""
    former = [{"address": "10.77.2.12", "port": 6443}]
    spec = moving({"address": "10.77.2.11", "port": 6443, "former": former})
    assert any(each.startswith("endpoint.address: expected an address") for each in words(spec))


@pytest.mark.parametrize("port", [6443, 31000, 2379])
def test_a_port_of_a_former_endpoint_is_free_on_balancers(port: int) -> None:
    document = document_of("three-machines")
    virtual = document["loadBalancer"]["virtualAddress"]["address"]
    document["endpoint"]["former"] = [{"address": virtual, "port": port}]
    [found] = words(Spec.model_validate(document))
    assert found.startswith("endpoint.former.0.port: expected a port")
