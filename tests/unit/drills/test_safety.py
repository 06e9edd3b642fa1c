"""Which drills are refused, and which hosts they choose."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kanae.drills.scenarios import safety
from kanae.drills.scenarios.catalogue import DRILLS, find
from kanae.errors import ConnectError, Refused, UsageError
from kanae.facts.model import ApiFact, EtcdFact, EtcdMember, Facts, HostBase, HostFacts, Interface
from kanae.plan.hosts import TYPICAL
from kanae.spec.load import loads
from kanae.spec.models import Spec

MASTERS = ("m1", "m2", "m3")


def spec_of(*, vip: bool = True, external: bool = False, masters: int = 3) -> Spec:
    lines = ["name: c", "kubernetes: v1.37.2"]
    if vip:
        lines += ["loadBalancer: {virtualAddress: {address: 10.0.0.100}}"]
    lines += ["hosts:", "  lb1: {address: 10.0.0.8, roles: [load-balancer]}"]
    if vip:
        lines += ["  lb2: {address: 10.0.0.9, roles: [load-balancer]}"]
    for i in range(masters):
        lines.append(f"  m{i + 1}: {{address: 10.0.0.1{i}, roles: [control-plane]}}")
    if external:
        lines += [f"  e{i}: {{address: 10.0.0.2{i}, roles: [etcd]}}" for i in (1, 2, 3)]
    lines.append("  w1: {address: 10.0.0.30, roles: [worker]}")
    return loads("\n".join(lines) + "\n", "c.yaml")


def base(address: str) -> HostBase:
    return replace(TYPICAL, interfaces=(Interface("eth0", "", (f"{address}/24",)),))


def facts_of(spec: Spec, *, leader: str = "", dead: tuple[str, ...] = ()) -> Facts:
    """A whole cluster, but for `dead` hosts. The first balancer holds a virtual address."""
    members = spec.etcd_hosts
    leader = leader or members[0]
    listed = tuple(EtcdMember(host, host, (), (), False) for host in members)
    nodes = {
        host: {"status": {"conditions": [{"type": "Ready", "status": str(host not in dead)}]}}
        for host in spec.nodes
    }
    found: dict[str, HostFacts] = {}
    for host, each in spec.hosts.items():
        if host in dead:
            continue
        etcd = EtcdFact(listed, host, leader, "3.7.3", 0, 0, 1, 1, 1) if host in members else None
        api = ApiFact(True, "v1.37.2", nodes, {}) if host.startswith("m") else None
        address = "10.0.0.100" if host == "lb1" and "lb2" in spec.hosts else str(each.address)
        now = datetime.now(UTC)
        found[host] = HostFacts(host, now, base(address), api=api, etcd=etcd)
    return Facts(found, {host: ConnectError(host, "no answer") for host in dead})


def test_a_whole_cluster_has_no_problems() -> None:
    spec = spec_of()
    assert safety.problems(spec, facts_of(spec)) == ()


def test_a_dead_master_is_a_problem_and_the_drill_is_refused() -> None:
    spec = spec_of()
    found = safety.problems(spec, facts_of(spec, dead=("m2",)))
    assert any("m2 cannot be reached" in problem for problem in found)
    assert any("node m2 is not ready" in problem for problem in found)
    refusals = safety.refusals(find("power-cut"), spec, ("m3",), found)
    with pytest.raises(Refused, match="not safe"):
        safety.require(refusals, accepted=False)
    safety.require(refusals, accepted=True)


@pytest.mark.parametrize("name", [n for n in DRILLS if n != "etcd-host-cut"])
def test_only_outages_are_refused_on_a_whole_cluster(name: str) -> None:
    spec = spec_of()
    drill, facts = find(name), facts_of(spec)
    hosts = safety.choose(drill, spec, facts)
    assert bool(safety.refusals(drill, spec, hosts, ())) == drill.outage


@pytest.mark.parametrize(
    ("name", "refused"),
    [("power-cut", True), ("kill-etcd", True), ("kill-apiserver", True), ("kill-kubelet", False)],
)
def test_a_single_master_may_not_be_taken(name: str, refused: bool) -> None:
    spec = spec_of(vip=False, masters=1)
    assert bool(safety.refusals(find(name), spec, ("m1",), ())) == refused


def test_two_of_three_masters_may_not_be_taken() -> None:
    found = safety.refusals(find("power-cut"), spec_of(), ("m2", "m3"), ())
    assert found == ("etcd would have 1 of 3 members and no quorum",)


def test_a_lone_balancer_is_called_a_single_point_of_failure() -> None:
    spec = spec_of(vip=False)
    hosts = safety.choose(find("balancer-cut"), spec, facts_of(spec))
    assert hosts == ("lb1",)
    assert "single point of failure" in safety.refusals(find("balancer-cut"), spec, hosts, ())[0]


def test_the_balancer_with_the_virtual_address_is_chosen() -> None:
    spec = spec_of()
    assert safety.choose(find("balancer-cut"), spec, facts_of(spec)) == ("lb1",)


def test_the_leaders_host_is_chosen_for_its_drill_only() -> None:
    spec = spec_of()
    facts = facts_of(spec, leader="m3")
    assert safety.choose(find("kill-etcd-leader"), spec, facts) == ("m3",)
    assert safety.choose(find("kill-etcd"), spec, facts) == ("m2",)


def test_repeated_runs_take_turns() -> None:
    spec = spec_of()
    drill, facts = find("power-cut"), facts_of(spec)
    turns = [safety.choose(drill, spec, facts, None, turn)[0] for turn in range(4)]
    assert turns == ["m3", "m2", "m1", "m3"]


def test_a_dedicated_etcd_host_is_wanted_for_its_drill() -> None:
    with pytest.raises(Refused, match="has none"):
        safety.choose(find("etcd-host-cut"), spec_of(), facts_of(spec_of()))
    spec = spec_of(external=True)
    assert safety.choose(find("etcd-host-cut"), spec, facts_of(spec)) == ("e3",)


def test_a_target_of_another_role_is_refused() -> None:
    spec = spec_of()
    with pytest.raises(Refused, match="w1 cannot be the target"):
        safety.choose(find("power-cut"), spec, facts_of(spec), "w1")


def test_an_unknown_drill_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="cold-start"):
        find("tea-break")


def test_a_prober_that_the_fault_would_take_or_cut_off_is_refused() -> None:
    safety.require_apart("w1", (), ("m3",))
    with pytest.raises(Refused, match="w1 is a target"):
        safety.require_apart("w1", (), ("m1", "w1"))
    with pytest.raises(Refused, match="through m3"):
        safety.require_apart("w1", ("m2", "m3"), ("m3",))
