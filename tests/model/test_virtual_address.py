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
