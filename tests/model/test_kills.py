"""An apply that is killed anywhere is made good by the next one."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kanae.layout import marks
from kanae.layout import paths as at
from kanae.spec.models import Role, Spec

from .fixtures import BASES, EXAMPLES, Desk, document_of, example
from .settled import unsettled
from .simulator import Moments, Simulator
from .world import World


def fresh(name: str) -> Simulator:
    return Simulator(World.bare(Desk.of(example(name))))


def snapshots(sim: Simulator, kind: str) -> list[World]:
    """The world after every record of the journal, or after every effect, of one whole run."""
    taken: list[World] = []

    def seen(what: str) -> None:
        if what == kind:
            taken.append(sim.world.copy())

    result = sim.apply(Moments(seen=seen))
    assert result is not None
    assert result.ok
    assert len(taken) > len(sim.world.spec.hosts)
    return taken


@pytest.mark.parametrize("name", EXAMPLES)
def test_killed_after_any_record_of_a_fresh_apply_a_second_run_converges(name: str) -> None:
    for number, world in enumerate(snapshots(fresh(name), "record")):
        again = Simulator(world)
        again.converge()
        assert unsettled(again.world) == [], number


@pytest.mark.parametrize(("name", "every"), [("single", 1), ("three-machines", 3)])
def test_killed_after_any_effect_a_second_run_converges(name: str, every: int) -> None:
    """Every effect of a small cluster, every third of a large one: the same kinds come again."""
    for number, world in enumerate(snapshots(fresh(name), "effect")[::every]):
        again = Simulator(world)
        again.converge()
        assert unsettled(again.world) == [], number


@pytest.mark.parametrize("name", ["single", "reference"])
@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_an_init_killed_after_any_effect_is_gone_on_with_wherever_etcd_keeps_its_data(
    name: str, kind: str
) -> None:
    """kubeadm's checks have the folder's path in their names; on cgroups v1 one has to be ignored
    from the first on."""
    document = document_of(name) | {"etcd": {"dataDir": "/data/etcd"}}
    sim = Simulator(World.bare(Desk.of(Spec.model_validate(document)), BASES[kind]))
    begun = [world for world in snapshots(sim, "effect") if initialising(world)]
    assert len(begun) > 10
    for number, world in enumerate(begun):
        again = Simulator(world)
        again.converge()
        assert unsettled(again.world) == [], number


@pytest.mark.parametrize("name", ["reference", "three-machines"])
def test_what_clears_an_interrupted_join_away_may_be_killed_after_any_effect_too(name: str) -> None:
    """One host of each kind whose join was interrupted, where it has left most."""
    half: dict[bool, World] = {}
    for world in snapshots(fresh(name), "effect"):
        for host in world.spec.nodes:
            here = world.hosts[host]
            ended = here.marked(marks.JOINED) or here.marked(marks.INIT_STARTED)
            if here.has(at.KUBELET_CONFIG) and not ended:
                half[Role.CONTROL_PLANE in world.spec.hosts[host].roles] = world
    assert half
    killed = 0
    for begun in half.values():
        for number, world in enumerate(snapshots(Simulator(begun), "effect")):
            if any(host.marked(marks.CLEARING) for host in world.hosts.values()):
                killed += 1
                again = Simulator(world)
                again.converge()
                assert unsettled(again.world) == [], number
    assert killed > 3


def initialising(world: World) -> bool:
    """kubeadm init runs, and no host has joined yet."""
    hosts = world.hosts.values()
    begun = any(host.marked(marks.INIT_STARTED) for host in hosts)
    return begun and not any(host.marked(marks.JOINED) for host in hosts)


@pytest.mark.parametrize("programs_end", ["never", "before the facts", "after the facts"])
def test_a_real_kill_after_every_record(programs_end: str) -> None:
    """The scheduler and the journal themselves die; kubeadm may outlive them."""
    record = 0
    while True:
        record += 1
        sim = fresh("single")
        if sim.apply(Moments(kill_record=record)) is not None:
            break
        ended = '"event": "run-ended"' in sim.journals[-1].path.read_text()
        assert not ended or sim.plan().empty
        if programs_end == "before the facts":
            sim.let_programs_end()
        plan = sim.plan()
        if programs_end == "after the facts":
            sim.let_programs_end()
        else:
            sim.flights.clear()
        result = sim.carry_out(plan)
        assert result is not None
        assert result.ok, (record, result.failure(sim.values.redactor))
        assert sim.plan().empty, record
        assert unsettled(sim.world) == [], record
    assert record > 10


SAMPLED = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@SAMPLED
@given(
    name=st.sampled_from(["reference", "vip", "three-machines", "dedicated-etcd"]),
    kills=st.lists(st.integers(1, 600), min_size=2, max_size=2),
    outlive=st.lists(st.booleans(), min_size=2, max_size=2),
)
def test_killed_twice_in_a_row_a_third_run_converges(
    name: str, kills: list[int], outlive: list[bool]
) -> None:
    sim = fresh(name)
    for kill, lives in zip(kills, outlive, strict=True):
        sim.apply(Moments(kill_effect=kill))
        if lives:
            sim.let_programs_end()
        sim.flights.clear()
    sim.converge()
    assert unsettled(sim.world) == []


@SAMPLED
@given(
    name=st.sampled_from(["single", "reference", "vip", "dedicated-etcd"]),
    kill=st.integers(1, 600),
    moments=st.integers(0, 5),
)
def test_what_outlives_the_operator_is_over_before_the_next_run_acts(
    name: str, kill: int, moments: int
) -> None:
    """As `kanae apply` does it: hosts are asked, the lease is taken, what still runs comes to its
    end, hosts are asked again."""
    sim = fresh(name)
    sim.apply(Moments(kill_effect=kill))
    sim.go_on(moments)
    sim.plan()
    sim.settle()
    sim.converge()
    assert unsettled(sim.world) == []
