"""Certificates end, are renewed and never end a cluster: any sequence of renewals, kills, dead
hosts and runs that go on with them ends with one in which everybody can reach everybody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kanae.errors import Refused
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan import actions
from kanae.plan.certificates import AUTHORITIES, CLIENTS, leaves, names
from kanae.plan.model import Plan
from kanae.spec.models import Role, Spec

from ..unit.golden import GOLDEN, agree
from .certificate import certificate, embedded, ending
from .fixtures import EXAMPLES, READ_AT, Desk, ancestors, document_of, example
from .settled import unsettled
from .simulator import Moments, Simulator, whole_world
from .test_living_plans import recorded
from .world import World

SOON: Final = READ_AT + timedelta(days=30)
PAST: Final = READ_AT - timedelta(days=3)
RESTARTED: Final = ["pod kube-controller-manager", "pod kube-scheduler"]


def aged(name: str, end: datetime = SOON) -> Simulator:
    sim = Simulator(whole_world(name).copy())
    sim.world.age(end)
    sim.world.forget()
    return sim


def issued(plan: Plan) -> set[tuple[str, str]]:
    return {
        (step.host or "", leaf.path)
        for step in plan
        if isinstance(step.action, actions.IssueCertificates)
        for leaf in step.action.certificates
    }


def held(world: World) -> dict[tuple[str, str], str]:
    """Every leaf certificate that there is -> its fingerprint."""
    return {
        (host, leaf.path): certificate(embedded(world.hosts[host].text(leaf.path))).fingerprint
        for host in world.spec.hosts
        for _, leaf in leaves(world.spec, host)
        if world.hosts[host].has(leaf.path)
    }


def of_kubelets(spec: Spec) -> set[tuple[str, str]]:
    return {(host, at.KUBELET_CLIENT) for host in spec.nodes}


def carry_out(sim: Simulator, plan: Plan, moments: Moments | None = None) -> None:
    result = sim.carry_out(plan, moments)
    assert result is not None
    assert result.ok, result.failure(sim.values.redactor)


def whole(sim: Simulator) -> None:
    """One apply, and a second one where the first could not compare what is in the cluster."""
    carry_out(sim, sim.plan())
    if not sim.plan().empty:
        sim.converge()
    assert unsettled(sim.world) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_is_renewed_before_its_time(name: str) -> None:
    assert aged(name, READ_AT + timedelta(days=91)).plan().empty


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_ends_soon_is_renewed_and_nothing_that_serves_restarts(name: str) -> None:
    """Kubelets' own are left to kubelets, which have not been late yet."""
    sim = aged(name)
    assert issued(sim.plan()) == held(sim.world).keys() - of_kubelets(sim.world.spec)
    sim.converge()
    assert unsettled(sim.world) == []
    begun = {line for lines in sim.world.restarts().values() for line in lines}
    assert begun == set(RESTARTED)


def test_the_plan_of_a_cluster_whose_leaves_end_in_thirty_days() -> None:
    text = recorded(aged("reference").plan())
    assert "PRIVATE" not in text
    agree(GOLDEN / "plan/living/reference-certificates.txt", _without_days(text))


def test_the_plan_of_a_cluster_whose_leaves_have_ended() -> None:
    text = recorded(aged("reference", PAST).plan())
    agree(GOLDEN / "plan/living/reference-certificates-ended.txt", _without_days(text))


def _without_days(text: str) -> str:
    for end in (SOON, PAST):
        text = text.replace(f"{end:%Y-%m-%d}", "DAY")
    return text


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_cluster_in_which_all_have_ended_is_brought_back_without_its_api(name: str) -> None:
    sim = aged(name, PAST)
    assert sim.world.ready_hosts() == []
    assert not any(map(sim.world.node_ready, sim.world.spec.nodes))
    assert of_kubelets(sim.world.spec) <= issued(sim.plan())
    whole(sim)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(["reference", "three-machines", "vip", "dedicated-etcd"]),
    data=st.data(),
)
def test_any_combination_of_ended_leaves_is_brought_back(name: str, data: st.DataObject) -> None:
    sim = Simulator(whole_world(name).copy())
    there = sorted(held(sim.world))
    ended = set(data.draw(st.lists(st.sampled_from(there), min_size=1, max_size=len(there))))
    sim.world.age(PAST, lambda host, path: (host, path) in ended)
    whole(sim)


@pytest.mark.parametrize("end", [SOON, PAST], ids=["soon", "past"])
@pytest.mark.parametrize("name", ["reference", "three-machines"])
def test_killed_after_any_effect_a_second_run_goes_on(name: str, end: datetime) -> None:
    """A controller manager that still has the old one is found by its mark."""
    kill = 1
    while True:
        sim = aged(name, end)
        if sim.apply(Moments(kill_effect=kill)) is not None:
            break
        sim.flights.clear()
        whole(sim)
        kill += 3
    assert kill > 20


@pytest.mark.parametrize("name", EXAMPLES)
def test_all_are_renewed_when_they_are_asked_for(name: str) -> None:
    sim = Simulator(whole_world(name).copy())
    spec, before = sim.world.spec, held(sim.world)
    sim.world.forget()
    carry_out(sim, sim.renewal_plan())
    after = held(sim.world)
    changed = {key for key, fingerprint in before.items() if after[key] != fingerprint}
    assert changed == before.keys() - of_kubelets(spec)
    assert unsettled(sim.world) == []
    assert sim.plan().empty
    restarted = dict.fromkeys(spec.having(Role.CONTROL_PLANE), RESTARTED)
    assert {host: sorted(lines) for host, lines in sim.world.restarts().items()} == restarted


@pytest.mark.parametrize("only", set(names(example("reference"))) - {CLIENTS})
def test_one_is_renewed_by_its_name_alone(only: str) -> None:
    sim = Simulator(whole_world("reference").copy())
    before, spec = held(sim.world), sim.world.spec
    carry_out(sim, sim.renewal_plan(only))
    after = held(sim.world)
    named = {
        (host, leaf.path)
        for host in spec.hosts
        for each, leaf in leaves(spec, host)
        if each.name == only
    }
    assert {key for key in before if before[key] != after[key]} == named & before.keys()
    assert unsettled(sim.world) == []


def test_clients_get_the_new_one_when_theirs_ends() -> None:
    sim = aged("reference")
    assert "server5/client/kubeconfig" in sim.plan().by_id()
    sim.converge()
    until = sim.world.hosts["server5"].text("/root/.kube/config")
    assert certificate(embedded(until)).not_after > SOON


@pytest.mark.parametrize("name", ["reference", "three-machines"])
def test_control_plane_hosts_are_renewed_one_after_another(name: str) -> None:
    steps = aged(name).plan().by_id()
    masters = example(name).having(Role.CONTROL_PLANE)
    for earlier, later in pairwise(masters):
        before = ancestors(steps, f"{later}/certificates/leaves")
        assert f"{earlier}/certificates/api-ready" in before


def test_a_kubelet_that_is_late_gets_one(built: Callable[[str], Simulator]) -> None:
    sim = built("reference")
    worker = sim.world.spec.having(Role.WORKER)[0]
    sim.world.age(PAST, lambda host, path: (host, path) == (worker, at.KUBELET_CLIENT))
    sim.world.forget()
    assert issued(sim.plan()) == {(worker, at.KUBELET_CLIENT)}
    whole(sim)
    assert sim.world.restarts() == {worker: [f"restart {units.KUBELET}"]}


def test_an_authority_that_ends_is_named_and_renews_nothing_for_ever() -> None:
    sim = aged("three-machines", READ_AT + timedelta(days=20))
    public, private = AUTHORITIES["ca"]
    for here in sim.world.hosts.values():
        if here.has(public, private):
            end = READ_AT + timedelta(days=20)
            here.write(public, ending(here.text(public), here.text(private), end))
    plan = sim.plan()
    assert any(note.startswith(f"{public} ends") for note in plan.notes)
    assert at.API_SERVER not in {path for _, path in issued(plan)}
    assert at.ETCD_SERVER in {path for _, path in issued(plan)}


def test_there_is_nothing_to_renew_on_bare_hosts() -> None:
    with pytest.raises(Refused, match="has not been built"):
        Simulator(World.bare(Desk.of(example("single")))).renewal_plan()


@pytest.mark.parametrize("host", ["server1", "server2", "server3"])
def test_renewal_stops_at_a_host_that_dies_and_is_gone_on_with(host: str) -> None:
    for when in range(1, 40, 6):
        sim = aged("reference")
        sim.apply(Moments(cut=(host, when)))
        sim.flights.clear()
        sim.world.hosts[host].power_on()
        whole(sim)


def test_the_window_is_the_specs() -> None:
    sim = Simulator(whole_world("reference").copy())
    document = document_of("reference") | {"certificates": {"renewBefore": "8w"}}
    sim.world.edit(Spec.model_validate(document))
    sim.world.age(READ_AT + timedelta(days=57))
    assert sim.plan().empty
    sim.world.age(READ_AT + timedelta(days=55))
    assert issued(sim.plan())


def test_a_mark_of_a_run_that_was_cut_off_restarts_what_it_names(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("single")
    (host,) = sim.world.spec.having(Role.CONTROL_PLANE)
    sim.world.hosts[host].mark(f"{marks.RESTART}kube-scheduler")
    sim.world.forget()
    sim.converge()
    assert sim.world.restarts() == {host: ["pod kube-scheduler"]}
