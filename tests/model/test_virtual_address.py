"""Balancers come and go behind a virtual address, which is never with two hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kanae.errors import Refused
from kanae.layout import units
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
    assert "lb1/virtual-address/converge" in steps["lb2/balancer/converge"].needs


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
