"""Many workers come to a living cluster at once: its API servers see few joins at a time."""

from __future__ import annotations

from collections.abc import Callable

from kanae.plan.joins import AT_ONCE
from kanae.spec.models import Role, Spec

from .fixtures import document_of
from .settled import unsettled
from .simulator import Moments, Simulator


def test_workers_that_come_together_join_some_at_a_time(built: Callable[[str], Simulator]) -> None:
    sim = built("reference")
    document = document_of("reference")
    for number in range(AT_ONCE + 5):
        address = f"10.77.1.{100 + number}"
        document["hosts"][f"w{number:02}"] = {"address": address, "roles": ["worker"]}
    sim.world.edit(Spec.model_validate(document))
    most = 0

    def seen(_: str) -> None:
        nonlocal most
        most = max(most, sum(step.endswith("/workers/join") for step in sim.flights))

    result = sim.carry_out(sim.plan(), Moments(seen=seen))
    assert result is not None
    assert result.ok
    assert most == AT_ONCE
    assert len(sim.world.spec.having(Role.WORKER)) == AT_ONCE + 6
    assert unsettled(sim.world) == []
