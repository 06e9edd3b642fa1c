from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from kanae.errors import LabError
from kanae.lab import network
from kanae.lab.faults import Oneway, partition_rules


def addresses(*texts: str) -> list[IPv4Address]:
    return [IPv4Address(text) for text in texts]


def test_gateway_is_the_first_free_address_of_the_hosts_slash_24() -> None:
    plan = network.plan("a", addresses("10.77.1.9", "10.77.1.1"), addresses("10.77.1.2"))
    assert plan.subnet == IPv4Network("10.77.1.0/24")
    assert plan.gateway == IPv4Address("10.77.1.3")


def test_subnet_grows_to_hold_hosts_that_no_slash_24_holds() -> None:
    plan = network.plan("a", addresses("10.77.2.9", "10.77.3.9"), [])
    assert plan.subnet == IPv4Network("10.77.2.0/23")


def test_virtual_address_counts_for_the_subnet() -> None:
    plan = network.plan("a", addresses("10.77.2.9"), addresses("10.77.3.200"))
    assert plan.subnet == IPv4Network("10.77.2.0/23")


def test_hosts_too_far_apart_are_refused() -> None:
    with pytest.raises(LabError, match=r"10\.1\.0\.1 and 10\.3\.0\.1"):
        network.plan("a", addresses("10.3.0.1", "10.1.0.1"), [])


@pytest.mark.parametrize("edge", ["10.77.1.0", "10.77.1.255"])
def test_edge_addresses_are_refused(edge: str) -> None:
    with pytest.raises(LabError, match="network or broadcast"):
        network.plan("a", addresses("10.77.1.9", edge), [])


def test_full_subnet_is_refused() -> None:
    everyone = list(IPv4Network("10.77.1.0/24").hosts())
    with pytest.raises(LabError, match="no address left"):
        network.plan("a", everyone, [])


def test_overlap_names_the_device_and_spares_the_lab_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "links", lambda: {"eth0": "", "kn1": "kanae-lab:other"})
    plan = network.plan("a", addresses("10.77.1.9"), [])
    network.refuse_overlap(plan, {plan.subnet: plan.link, IPv4Network("10.78.0.0/16"): "eth0"})
    with pytest.raises(LabError, match=r"through eth0\s"):
        network.refuse_overlap(plan, {IPv4Network("10.77.0.0/16"): "eth0"})
    with pytest.raises(LabError, match=r"lab other"):
        network.refuse_overlap(plan, {IPv4Network("10.77.1.128/25"): "kn1"})


def test_names_fit_into_what_the_kernel_takes() -> None:
    name = "a" * 32
    assert len(network.link_of(name)) <= 15
    assert network.link_of(name) != network.link_of("b" + name[1:])


def test_partition_drops_both_directions_between_the_sides() -> None:
    rules = partition_rules(["vb-1", "vb-2"], oneway=None, operator=False).splitlines()
    inside = '{ "vb-1", "vb-2" }'
    assert rules == [
        f"add rule bridge kanae forward oifname {inside} iifname != {inside} drop",
        f"add rule bridge kanae forward iifname {inside} oifname != {inside} drop",
    ]


def test_oneway_partition_keeps_one_of_the_two_rules() -> None:
    (into,) = partition_rules(["vb-1"], oneway=Oneway.IN, operator=False).splitlines()
    (out,) = partition_rules(["vb-1"], oneway=Oneway.OUT, operator=False).splitlines()
    assert 'forward oifname { "vb-1" }' in into
    assert 'forward iifname { "vb-1" }' in out


def test_operator_is_spared_when_asked() -> None:
    rules = partition_rules(["vb-1"], oneway=None, operator=True).splitlines()
    assert ['!= { "vb-1", "uplink" } drop' in rule for rule in rules] == [True, True]
