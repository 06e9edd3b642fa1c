"""Edits of a living cluster that make hosts others, or no, balancers; gates and watches beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.spec.models import Role

from .edits import DNS_PODS, MASTERS, REGISTERED, changes, edited, on_host, put
from .fixtures import Desk, bare
from .simulator import Moments, Simulator
from .world import World

_NO_GATE = [
    f"delete unit {units.GATE}",
    f"delete file {at.GATE_SCRIPT}",
]
_NO_WATCH = [
    f"delete unit {units.watch('reference')}",
    f"delete file {at.watch_script('reference')}",
]


def test_balancers_that_run_are_restarted_one_at_a_time(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")
    unit = units.balancer("vip")
    for host in sim.world.spec.having(Role.LOAD_BALANCER):
        sim.world.hosts[host].write(f"{at.UNITS}/{unit}", "as an older kanae wrote it")
    first, second = [step for step in sim.plan() if step.id.endswith("balancer/converge")]
    assert first.id in second.needs


def test_with_haproxy_instead_of_nginx_the_gates_go_when_the_balancer_is_haproxy(
    built: Callable[[str], Simulator],
) -> None:
    """A gate before haproxy would cut its kept connections at an orderly shutdown."""
    sim = built("reference")
    unit = units.balancer("reference")
    sim.world.edit(edited("reference", put(loadBalancer={"kind": "haproxy"})))
    assert changes(sim) == {
        "lb/system/converge": [
            "delete unit kanae-settings-reference.service",
            "delete file /etc/sysctl.d/90-kanae-reference.conf",
            "create package haproxy",
        ],
        "lb/balancer/converge": [
            "update file /etc/kanae/balancer-reference.cfg",
            f"update file {at.UNITS}/{unit}",
            f"run unit {unit}",
            *_NO_WATCH,
        ],
    } | {f"{host}/balancer/converge": _NO_GATE for host in MASTERS}
    steps = sim.plan().by_id()
    for host in MASTERS:
        assert "lb/balancer/converge" in steps[f"{host}/balancer/converge"].needs
    sim.converge()
    assert sim.world.violations == []
    for host in MASTERS:
        here = sim.world.hosts[host]
        assert not here.active(units.GATE)
        assert not here.has(at.GATE_SCRIPT)
        assert not here.has(at.GATE_UNIT)


def test_a_master_that_comes_restarts_gates_and_watch_of_the_others_and_nothing_else(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("reference")

    def add(document: dict[str, Any]) -> None:
        document["hosts"]["server6"] = {"address": "10.77.1.15", "roles": ["control-plane"]}

    sim.world.edit(edited("reference", add))
    found = changes(sim)
    for host in MASTERS:
        here = [change for step in found if step.startswith(f"{host}/") for change in found[step]]
        assert [change for change in here if change not in (*REGISTERED, DNS_PODS)] == [
            f"update file {marks.FOLDER}/hosts",
            f"update file {at.GATE_SCRIPT}",
            f"run unit {units.GATE}",
            f"update file {at.COREDNS_PATCH}",
        ]
    assert found["lb/balancer/converge"] == [
        f"update file {at.watch_script('reference')}",
        f"run unit {units.watch('reference')}",
    ]
    assert found["lb/backends/converge"] == [
        f"update file {at.balancer_config('reference')}",
        f"run unit {units.balancer('reference')}",
    ]
    sim.converge()
    assert sim.world.violations == []


def test_a_lone_master_has_no_gate_and_no_watch() -> None:
    def alone(document: dict[str, Any]) -> None:
        document["loadBalancer"] = {"kind": "nginx"}

    plan = Desk.of(edited("single", alone)).plan(bare(edited("single", alone)))
    judges = {units.GATE, units.watch("single")}
    assert not [c for step in plan.steps for c in step.changes if c.subject in judges]


def _gone(name: str) -> list[str]:
    """And what goes along with it."""
    kind = name.removesuffix("-vip")
    ending = "conf" if kind == "keepalived" else "cfg"
    gone = [f"delete unit kanae-{name}.service", f"delete file /etc/kanae/{name}.{ending}"]
    if kind == "keepalived":
        gone += ["delete unit kanae-tickle-vip.service", "delete file /etc/kanae/tickle-vip.pl"]
    return gone


def test_without_a_virtual_address_keepalived_goes_and_another_clusters_stays(
    built: Callable[[str], Simulator],
) -> None:
    def plain(document: dict[str, Any]) -> None:
        document["endpoint"] = {"address": document["hosts"]["lb1"]["address"]}
        del document["loadBalancer"]["virtualAddress"]

    def moving(document: dict[str, Any]) -> None:
        virtual = document["loadBalancer"]["virtualAddress"]
        plain(document)
        document["endpoint"]["former"] = [virtual | {"port": 6443, "vrrp": {"routerId": 51}}]

    sim = built("vip")
    balancers = sim.world.spec.having(Role.LOAD_BALANCER)
    others = units.keepalived("other")
    for host in balancers:
        here = sim.world.hosts[host]
        here.write(f"{at.UNITS}/{others}", "of another cluster")
        here.enable(others)
        here.start(others)
    sim.world.edit(edited("vip", moving))
    sim.converge()
    sim.world.edit(edited("vip", plain))
    gone = {id_: what for id_, what in changes(sim).items() if id_.endswith("/balancer/converge")}
    assert gone == {f"{host}/balancer/converge": _gone("keepalived-vip") for host in balancers}
    sim.converge()
    assert sim.world.violations == []
    assert all(sim.world.hosts[host].active(others) for host in balancers)


def test_a_host_that_is_no_balancer_any_more_gives_up_the_address_and_after_it_the_balancer(
    built: Callable[[str], Simulator],
) -> None:
    """Two hosts that hold one virtual address without knowing of each other are worse than none."""
    sim = built("vip")
    stays, leaves = sim.world.spec.having(Role.LOAD_BALANCER)
    sim.world.edit(edited("vip", on_host(leaves, roles=["client"])))
    address, step = f"{leaves}/virtual-address/converge", f"{leaves}/balancer/converge"
    assert changes(sim)[address] == _gone("keepalived-vip")
    assert changes(sim)[step] == _gone("balancer-vip")
    assert f"{stays}/balancer/converge" in sim.plan().by_id()[step].needs
    sim.converge()
    assert sim.world.violations == []


def test_gates_that_an_interrupted_run_has_taken_away_in_part_go_with_the_next(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("reference")
    sim.world.edit(edited("reference", put(loadBalancer={"kind": "haproxy"})))
    halves: list[World] = []
    sim.carry_out(sim.plan(), Moments(seen=lambda _: halves.append(sim.world.copy())))
    assert len(halves) > len(MASTERS) * len(_NO_GATE)
    for half in halves:
        Simulator(half).converge()
        assert half.violations == []
        assert not any(half.hosts[host].has(at.GATE_UNIT) for host in MASTERS)
