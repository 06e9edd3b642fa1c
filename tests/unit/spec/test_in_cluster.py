"""Whom pods reach by the Service `kubernetes`, by topology."""

from __future__ import annotations

from typing import Any

import pytest

from kanae.spec.load import loads
from kanae.spec.models import InCluster

BALANCERS = """
  lb1: {address: 10.0.0.8, roles: [load-balancer]}
  lb2: {address: 10.0.0.9, roles: [load-balancer]}"""


def spec(head: str = "", hosts: str = "", masters: int = 3) -> Any:
    planes = "".join(
        f"\n  m{n}: {{address: 10.0.0.{n}, roles: [control-plane]}}" for n in range(1, masters + 1)
    )
    return loads(f"name: s\nkubernetes: v1.37.2\n{head}\nhosts:{planes}{hosts}\n", "s.yaml")


VIRTUAL = "loadBalancer: {virtualAddress: {address: 10.0.0.100}}"
ONE = "\n  lb: {address: 10.0.0.9, roles: [load-balancer]}"


@pytest.mark.parametrize(
    ("told", "value", "addresses"),
    [
        (spec(masters=1), "masters", []),
        (spec(hosts=ONE), "balancer", ["10.0.0.9"]),
        (spec(VIRTUAL, BALANCERS), "balancer", ["10.0.0.100"]),
        (spec("endpoint: {address: 10.0.0.200}"), "balancer", ["10.0.0.200"]),
        (spec("endpoint: {address: 10.0.0.200}", BALANCERS), "balancer", ["10.0.0.200"]),
        (
            spec("endpoint: {name: api.example.org}", BALANCERS),
            "masters",
            ["10.0.0.8", "10.0.0.9"],
        ),
        (spec("endpoint: {address: 10.0.0.1}", masters=1), "masters", []),
        (spec("endpoint: {inCluster: masters}", hosts=ONE), "masters", ["10.0.0.9"]),
        # The balancers are there for where the endpoint was.
        (
            spec(
                "endpoint: {address: 10.0.0.1, former: [{address: 10.0.0.9, port: 6443}]}",
                hosts=ONE,
            ),
            "masters",
            [],
        ),
    ],
)
def test_the_default_is_the_balancer_where_one_address_stands_for_it(
    told: Any, value: str, addresses: list[str]
) -> None:
    assert told.in_cluster is InCluster(value)
    assert list(map(str, told.balancer_addresses)) == addresses
