"""Balancers come and go behind a virtual address, which is never with two hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest

from kanae.errors import Refused
from kanae.layout import units
from kanae.plan.model import Step
from kanae.spec.models import Spec

from .fixtures import document_of
from .settled import unsettled
from .simulator import Moments, Simulator
from .world import World

Document = dict[str, Any]
ROLES = ["load-balancer"]


def come(document: Document) -> None:
    document["hosts"]["lb3"] = {"address": "10.77.2.93", "roles": ROLES}


def leave(document: Document) -> None:
    del document["hosts"]["lb1"]


def lose(document: Document) -> None:
    document["hosts"]["lb1"]["roles"] = ["client"]


def take_turns(document: Document) -> None:
    come(document)
    leave(document)


def edit(sim: Simulator, change: Callable[[Document], None]) -> None:
    document = document_of("vip")
    change(document)
    sim.world.edit(Spec.model_validate(document))


def test_one_that_comes_begins_when_the_others_know_it(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")
    edit(sim, come)
    steps = sim.plan().by_id()
    needs = set(steps["lb3/balancer/converge"].needs)
    assert {"lb1/balancer/converge", "lb2/balancer/converge"} <= needs


@pytest.mark.parametrize("change", [leave, lose])
def test_one_that_goes_gives_the_address_up_before_the_others_forget_it(
    built: Callable[[str], Simulator], change: Callable[[Document], None]
) -> None:
    sim = built("vip")
    edit(sim, change)
    steps = sim.plan().by_id()
    assert "lb1/virtual-address/converge" in needed(steps, "lb2/balancer/converge")


@pytest.mark.parametrize("change", [leave, lose])
def test_one_that_goes_hands_its_clients_over_first(
    built: Callable[[str], Simulator], change: Callable[[Document], None]
) -> None:
    """Each step needs the one before it; the balancer goes when it has no clients."""
    sim = built("vip")
    edit(sim, change)
    steps = sim.plan().by_id()
    chain = [
        "lb2/hand-over/pass-on-lb1",
        "lb1/hand-over/begin",
        "lb1/hand-over/await",
        "lb2/hand-over/end-lb1",
        "lb1/hand-over/end-lb1",
        "lb1/virtual-address/converge",
        "lb2/balancer/converge",
    ]
    for before, after in pairwise(chain):
        assert before in steps[after].needs
    [end] = steps.keys() & {"lb1/balancer/converge", "lb1/remove/host"}
    assert needed(steps, end) >= set(chain[:-1])


def test_a_balancer_that_does_not_run_has_no_clients(built: Callable[[str], Simulator]) -> None:
    sim = built("vip")
    sim.world.hosts["lb1"].stop(units.keepalived("vip"))
    edit(sim, leave)
    assert not [id_ for id_ in sim.plan().by_id() if "/hand-over/" in id_]


def needed(steps: Mapping[str, Step], id_: str) -> set[str]:
    """All that a step waits for."""
    found: set[str] = set()
    new = set(steps[id_].needs)
    while new:
        found |= new
        new = {need for each in new for need in steps[each].needs} - found
    return found


@pytest.mark.parametrize("change", [come, leave, lose, take_turns])
def test_runs_that_are_cut_off_anywhere_are_gone_on_with(
    built: Callable[[str], Simulator], change: Callable[[Document], None]
) -> None:
    """`World` watches who has the address after every effect."""
    sim = built("vip")
    edit(sim, change)
    halves: list[World] = []
    sim.carry_out(sim.plan(), Moments(seen=lambda _: halves.append(sim.world.copy())))
    assert sim.world.violations == []
    assert len(halves) > 4
    for half in halves:
        cut = Simulator(half)
        cut.converge()
        assert half.violations == []
        assert unsettled(half) == []


def test_the_only_one_that_runs_is_not_taken_away_while_another_comes(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")
    sim.world.hosts["lb2"].stop(units.keepalived("vip"))
    edit(sim, take_turns)
    with pytest.raises(Refused, match="without lb1 no balancer would be left that runs"):
        sim.plan()


def go_away(document: Document) -> None:
    """The endpoint has moved, and nobody is led to the virtual address any more."""
    document["endpoint"] = {"address": "10.77.2.9"}
    del document["loadBalancer"]["virtualAddress"]


def move_away(document: Document) -> None:
    go_away(document)
    former = {"address": "10.77.2.100", "port": 6443, "vrrp": {"routerId": 51}}
    document["endpoint"]["former"] = [former]


def test_of_an_address_that_goes_away_nobody_takes_the_clients(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")
    edit(sim, move_away)
    sim.converge()

    def go(document: Document) -> None:
        go_away(document)
        leave(document)

    edit(sim, go)
    assert not [id_ for id_ in sim.plan().by_id() if "/hand-over/" in id_]
    sim.converge()
    assert unsettled(sim.world) == []


def one_stays(sim: Simulator) -> None:
    document = document_of("three-machines")
    document["hosts"] = {"node1": document["hosts"]["node1"]}
    sim.world.edit(Spec.model_validate(document))


def test_one_that_goes_later_may_get_the_address_and_passes_on_too(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("three-machines")
    one_stays(sim)
    steps = sim.plan().by_id()
    passing = {id_ for id_ in steps if "/pass-on-" in id_}
    assert passing == {
        "node1/hand-over/pass-on-node2",
        "node3/hand-over/pass-on-node2",
        "node1/hand-over/pass-on-node3",
    }
    ended = {f"{host}/hand-over/end-node2" for host in ("node1", "node3")}
    assert ended <= needed(steps, "node1/hand-over/pass-on-node3")
    assert ended <= needed(steps, "node3/hand-over/begin")


def handing_over(world: World) -> list[str]:
    unit = units.hand_over(world.spec.name)
    return [name for name, host in world.hosts.items() if host.active(unit)]


def test_hosts_pass_on_to_one_host_at_a_time_whatever_is_edited_on_the_way(
    built: Callable[[str], Simulator],
) -> None:
    """One that has begun to go stays after all, and another one goes."""
    sim = built("vip")
    edit(sim, come)
    sim.converge()

    def two_leave(document: Document) -> None:
        come(document)
        drop(document, "lb1", "lb2")

    edit(sim, two_leave)
    halves: list[World] = []

    def seen(_: str) -> None:
        if handing_over(sim.world):
            halves.append(sim.world.copy())

    sim.carry_out(sim.plan(), Moments(seen=seen))
    assert sim.world.violations == []
    assert {host for half in halves for host in handing_over(half)} == {"lb1", "lb2"}
    for half in halves:
        [stays] = handing_over(half)
        document = document_of("vip")
        come(document)
        drop(document, "lb2" if stays == "lb1" else "lb1")
        half.edit(Spec.model_validate(document))
        cut = Simulator(half)
        cut.converge()
        assert unsettled(half) == []


def drop(document: Document, *hosts: str) -> None:
    for host in hosts:
        del document["hosts"][host]
