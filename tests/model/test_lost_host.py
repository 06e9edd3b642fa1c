"""A host that loses its power in the middle of an apply: a clear error, and convergence by the next
run when it is back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kanae.errors import KanaeError, Refused
from kanae.execute.events import Outcome

from .fixtures import Desk, example
from .settled import unsettled
from .simulator import Moments, Simulator
from .world import World

# Each with the hosts whose loss differs in kind, and how far apart the moments are.
LOSSES = [
    ("single", "only", 2),
    ("reference", "lb", 29),
    ("reference", "server1", 23),
    ("reference", "server2", 23),
    ("reference", "server4", 29),
    ("three-machines", "node2", 23),
    ("dedicated-etcd", "etcd2", 31),
]


def fresh(name: str) -> Simulator:
    return Simulator(World.bare(Desk.of(example(name))))


def effects_of(name: str) -> int:
    moments = Moments()
    result = fresh(name).apply(moments)
    assert result is not None
    assert result.ok
    return moments.effects


@pytest.mark.parametrize(("name", "host", "every"), LOSSES)
def test_a_host_that_loses_its_power_anywhere_is_named_and_made_good_when_it_is_back(
    name: str, host: str, every: int
) -> None:
    failures = 0
    for moment in range(1, effects_of(name) + 1, every):
        sim = fresh(name)
        result = sim.apply(Moments(cut=(host, moment)))
        assert result is not None
        bad = {
            id_: step
            for id_, step in result.steps.items()
            if step.outcome in (Outcome.FAILED, Outcome.INDETERMINATE)
        }
        assert result.ok == (not bad)
        if bad:
            failures += 1
            with pytest.raises(KanaeError) as caught:
                result.raise_failed(sim.values.redactor)
            # By its name, or by its address where a program on another host says what it lacks.
            address = str(sim.world.spec.hosts[host].address)
            assert host in str(caught.value) or address in str(caught.value)
            assert "Traceback" not in str(caught.value)
            assert "remedy" in str(caught.value)
        # What needs nothing of that host has been done.
        skipped = [step for step in result.steps.values() if step.outcome is Outcome.SKIPPED]
        assert all(step.because for step in skipped)
        sim.world.hosts[host].power_on()
        sim.converge()
        assert unsettled(sim.world) == [], moment
    assert failures


def test_while_it_is_away_nothing_is_built_without_it() -> None:
    sim = fresh("reference")
    sim.apply(Moments(cut=("server2", 40)))
    with pytest.raises(Refused, match="server2 cannot be reached"):
        sim.plan()


def test_others_go_on_as_far_as_they_do_not_need_it() -> None:
    sim = fresh("reference")
    result = sim.apply(Moments(cut=("server4", 1)))
    assert result is not None
    done = {id_ for id_, step in result.steps.items() if step.outcome is Outcome.CHANGED}
    assert "server1/control-plane/init" in done
    assert {f"{host}/control-plane/join" for host in ("server2", "server3")} <= done


def test_who_is_led_where_nobody_would_answer_is_told_while_a_host_is_dead(
    built: Callable[[str], Simulator],
) -> None:
    """Not where only the dead one could have answered."""
    world = built("reference").world
    world.hosts["lb"].power_cut()
    world.led("https://10.77.1.9:6440")
    assert world.violations == []
    world.led("https://10.77.1.9:7443")
    assert world.violations == ["somebody is led to https://10.77.1.9:7443, where nobody answers"]


def test_a_member_that_has_not_started_leads_nobody(built: Callable[[str], Simulator]) -> None:
    """Enabled, its host lost its power before it was started for the first time."""
    world = built("reference").world
    world.leader = "server1"
    world.started.discard("server1")
    told = world.facts().hosts
    assert told["server1"].etcd is None
    seen = told["server2"].etcd
    assert seen is not None
    assert {member.name for member in seen.members} == {"", "server2", "server3"}
    assert seen.leader_id == next(each.id for each in seen.members if each.name == "server2")
