"""From bare hosts to the cluster of each example, and nothing to do afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .fixtures import EXAMPLES, V2, Desk, example
from .simulator import Simulator
from .world import World


def fresh(name: str) -> Simulator:
    return Simulator(World.bare(Desk.of(example(name))))


@pytest.mark.parametrize("name", EXAMPLES)
def test_bare_hosts_become_the_cluster_and_a_second_plan_is_empty(name: str) -> None:
    sim = fresh(name)
    sim.converge()
    assert sim.world.violations == []
    assert set(sim.world.nodes) == set(sim.world.spec.nodes)
    assert sum(sim.world.inits.values()) == 1


def test_hosts_of_another_family_than_debians_converge_too() -> None:
    """Their packages have names that a typical host, by which facts are asked, does not have."""
    rocky = replace(V2, os_id="rocky", os_version="9.6")
    sim = Simulator(World.bare(Desk.of(example("reference")), rocky))
    sim.converge()
    assert sim.world.violations == []
    assert "nginx-mod-stream" in sim.world.hosts["lb"].packages
