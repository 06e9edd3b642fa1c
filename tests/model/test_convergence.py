"""From bare hosts to the cluster of each example, and nothing to do afterwards."""

from __future__ import annotations

import pytest

from .fixtures import EXAMPLES, Desk, example
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
