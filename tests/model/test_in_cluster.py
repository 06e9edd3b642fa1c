"""Whom pods reach by the Service `kubernetes`: the balancer or the masters, and from one to the
other on a living cluster, without a moment in which nobody is behind it who answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kanae.errors import Refused
from kanae.facts.model import ObjectKey
from kanae.plan.membership import without
from kanae.render import in_cluster as service
from kanae.spec.models import Spec

from .fixtures import Desk, ancestors, document_of, grown
from .in_cluster import ENDPOINTS, behind
from .settled import unsettled
from .simulator import Moments, Simulator
from .world import World

Document = dict[str, Any]
Change = Callable[[Document], object]


def said(value: str) -> Change:
    return lambda document: document.setdefault("endpoint", {}).update(inCluster=value)


def edit(sim: Simulator, name: str, *changes: Change) -> None:
    document = document_of(name)
    for change in changes:
        change(document)
    sim.world.edit(Spec.model_validate(document))


def bare(document: Document) -> Simulator:
    return Simulator(World.bare(Desk.of(Spec.model_validate(document))))


def own_balancer(document: Document) -> None:
    """A balancer of the user's own, in the place of the cluster's."""
    document["hosts"].pop("lb1")
    document["hosts"].pop("lb2")
    document.pop("loadBalancer")
    document["endpoint"] = {"address": "10.77.2.200", "port": 6440}


def by_name(document: Document) -> None:
    """Two balancers without a virtual address, behind a DNS name."""
    document.pop("loadBalancer")
    document["endpoint"] = {"name": "api.example.org", "port": 6440}


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("vip", (), [("10.77.2.100", 6443)]),
        ("three-machines", (), [("10.77.5.100", 6440)]),
        ("reference", (), [("10.77.1.9", 6440)]),
        ("two-clusters-a", (), [("10.77.6.9", 6443)]),
        ("two-clusters-b", (), [("10.77.6.9", 6440)]),
        ("vip", (own_balancer,), [("10.77.2.200", 6440)]),
        ("vip", (by_name, said("balancer")), [("10.77.2.8", 6440), ("10.77.2.9", 6440)]),
    ],
)
def test_a_new_cluster_has_its_balancer_behind_the_service(
    name: str, changes: tuple[Change, ...], expected: list[tuple[str, int]]
) -> None:
    document = document_of(name)
    for change in changes:
        change(document)
    sim = bare(document)
    sim.converge()
    assert behind(sim.world) == expected
    assert unsettled(sim.world) == []
    assert sim.world.reconcilers.leases == set()


@pytest.mark.parametrize(
    ("name", "changes"), [("single", ()), ("vip", (by_name,)), ("vip", (said("masters"),))]
)
def test_masters_say_themselves_who_they_are(name: str, changes: tuple[Change, ...]) -> None:
    document = document_of(name)
    for change in changes:
        change(document)
    sim = bare(document)
    sim.converge()
    assert unsettled(sim.world) == []


@pytest.mark.parametrize("name", ["vip", "three-machines", "reference"])
def test_a_living_cluster_changes_both_ways(built: Callable[[str], Simulator], name: str) -> None:
    sim = built(name)
    for value in ("masters", "balancer", "masters"):
        edit(sim, name, said(value))
        sim.converge()
        assert unsettled(sim.world) == []


def test_each_step_waits_for_those_that_it_relies_on(built: Callable[[str], Simulator]) -> None:
    """Whatever takes long: API servers change between the two, and kept off the objects."""
    sim = built("vip")
    edit(sim, "vip", said("masters"))
    there = {step.id: step for step in sim.plan()}
    sim.converge()
    edit(sim, "vip", said("balancer"))
    back = {step.id: step for step in sim.plan()}
    masters = ("master1", "master2", "master3")
    stage = "master1/in-cluster"
    for host in masters:
        assert f"{stage}/guarded" in ancestors(there, f"{host}/control-plane/reconfigure")
        assert f"{stage}/balancer" in ancestors(back, f"{host}/control-plane/reconfigure")
        for step in ("masters", "hand-back"):
            assert f"{host}/control-plane/ready" in ancestors(there, f"{stage}/{step}")
    assert f"{stage}/masters" in ancestors(there, f"{stage}/hand-back")
    before = {f"{stage}/guard", f"{stage}/guarded", f"{stage}/answers-10.77.2.100"}
    assert before <= ancestors(back, f"{stage}/balancer")


@pytest.mark.parametrize("value", ["masters", "balancer"])
@pytest.mark.parametrize("kill", range(1, 60, 2))
def test_killed_at_any_record_it_is_gone_on_with(
    built: Callable[[str], Simulator], value: str, kill: int
) -> None:
    sim = built("three-machines")
    if value == "balancer":
        edit(sim, "three-machines", said("masters"))
        sim.converge()
    edit(sim, "three-machines", said(value))
    sim.apply(Moments(kill_record=kill))
    sim.settle()
    assert sim.world.violations == []
    if not sim.plan().empty:
        sim.converge()
    assert unsettled(sim.world) == []


@pytest.mark.parametrize("kill", range(1, 160, 7))
def test_changed_back_on_the_way(built: Callable[[str], Simulator], kill: int) -> None:
    sim = built("three-machines")
    edit(sim, "three-machines", said("masters"))
    sim.apply(Moments(kill_effect=kill))
    sim.settle()
    edit(sim, "three-machines")
    if not sim.plan().empty:
        sim.converge()
    assert unsettled(sim.world) == []


def lacking(key: ObjectKey) -> Callable[[World], object]:
    return lambda world: world.objects.pop(key)


def without_guard(world: World) -> None:
    for key in service.guard_keys():
        world.objects.pop(key)


def others(world: World) -> None:
    for key, document in zip((ENDPOINTS, service.SLICE), service.named((), 6440), strict=True):
        world.objects[key] = dict(document)


@pytest.mark.parametrize(
    "harm",
    [
        without_guard,
        others,
        lacking(ENDPOINTS),
        lacking(service.SLICE),
    ],
)
def test_what_somebody_changed_is_put_right(
    built: Callable[[str], Simulator], harm: Callable[[World], object]
) -> None:
    sim = built("three-machines")
    harm(sim.world)
    sim.world.reconcilers.named = False
    assert not sim.plan().empty
    sim.converge()
    assert unsettled(sim.world) == []


def test_a_foreign_port_beside_masters_is_put_right(built: Callable[[str], Simulator]) -> None:
    """API servers leave it for ever."""
    sim = built("single")
    for key in (ENDPOINTS, service.SLICE):
        sim.world.objects[key] = {}
    address = sim.world.spec.endpoint_address
    endpoints, slice_ = service.named([address], 6440)
    sim.world.objects |= {ENDPOINTS: dict(endpoints), service.SLICE: dict(slice_)}
    sim.world.watch()
    sim.world.violations.clear()
    sim.world.reconcilers.named = False
    assert behind(sim.world) == [(str(address), 6440)]
    sim.carry_out(sim.plan())
    assert behind(sim.world) == [(str(address), 6443)]
    assert sim.plan().empty


def test_a_host_with_a_manifest_of_its_own_changes_nothing(
    built: Callable[[str], Simulator],
) -> None:
    """An API server that was put back to kubeadm's own way by hand is kept off the objects."""
    sim = built("three-machines")
    host = sim.world.hosts["node1"]
    path = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    host.write(path, host.text(path).replace("endpoint-reconciler-type", "v"), 0o600)
    host.sync_pods()
    before = behind(sim.world)
    sim.world.watch()
    assert sim.world.reconcilers.running
    assert behind(sim.world) == before
    sim.converge()
    assert unsettled(sim.world) == []


def test_a_balancer_is_named_when_it_answers_and_not_named_when_it_goes() -> None:
    document = document_of("vip")
    by_name(document)
    said("balancer")(document)
    document["hosts"]["lb3"] = {"address": "10.77.2.7", "roles": ["load-balancer"]}
    sim = bare(document)
    sim.converge()
    document["hosts"]["lb4"] = {"address": "10.77.2.6", "roles": ["load-balancer"]}
    document["hosts"]["lb2"]["roles"] = ["client"]
    del document["hosts"]["lb3"]
    sim.world.edit(Spec.model_validate(document))
    steps = {step.id: step for step in sim.plan()}
    named = "master1/in-cluster/balancer"
    assert {"lb4/balancer/converge", "master1/in-cluster/answers-10.77.2.6"} <= ancestors(
        steps, named
    )
    gone = [id_ for id_ in steps if id_.startswith("lb3/")]
    assert gone
    for id_ in ("lb2/balancer/converge", *gone):
        assert {named, "master1/in-cluster/let-go"} <= ancestors(steps, id_)
    sim.converge()
    assert behind(sim.world) == [("10.77.2.6", 6440), ("10.77.2.8", 6440)]
    assert unsettled(sim.world) == []


def test_a_balancer_goes_when_masters_say_who_they_are() -> None:
    document = document_of("vip")
    by_name(document)
    said("balancer")(document)
    sim = bare(document)
    sim.converge()
    said("masters")(document)
    document["hosts"]["lb2"]["roles"] = ["client"]
    sim.world.edit(Spec.model_validate(document))
    steps = {step.id: step for step in sim.plan()}
    assert "master1/in-cluster/hand-back" in ancestors(steps, "lb2/balancer/converge")
    sim.converge()
    assert unsettled(sim.world) == []


def test_a_virtual_address_does_not_go_before_pods_are_led_elsewhere() -> None:
    document = document_of("vip")
    document["endpoint"] = {"name": "api.example.org"}
    sim = bare(document)
    sim.converge()
    document.pop("loadBalancer")
    for value in ("balancer", "masters"):
        said(value)(document)
        sim.world.edit(Spec.model_validate(document))
        with pytest.raises(Refused, match=r"10\.77\.2\.100"):
            sim.plan()
    former = [{"address": "10.77.2.100", "port": 6443, "vrrp": {"routerId": 51}}]
    document["endpoint"] = {**document["endpoint"], "former": former}
    sim.world.edit(Spec.model_validate(document))
    sim.converge()
    assert unsettled(sim.world) == []
    del document["endpoint"]["former"]
    sim.world.edit(Spec.model_validate(document))
    sim.converge()
    assert unsettled(sim.world) == []


def test_whom_pods_reach_stays_while_one_of_two_balancers_is_replaced() -> None:
    """Two are no default, and one is: API servers would change there and back."""
    document = document_of("vip")
    by_name(document)
    sim = bare(document)
    sim.converge()
    whole = sim.world.spec
    sim.world.edit(without(whole, "lb2"))
    assert not [step.id for step in sim.plan() if "control-plane" in step.id]
    sim.converge()
    sim.world.edit(whole)
    sim.converge()
    assert unsettled(sim.world) == []


def test_a_balancer_that_is_named_already_is_not_waited_for(
    built: Callable[[str], Simulator],
) -> None:
    """It may be away; what else is wrong is put right."""
    sim = built("vip")
    sim.world.objects.pop(ENDPOINTS)
    steps = [step.id for step in sim.plan()]
    assert "master1/in-cluster/balancer" in steps
    assert not any("/answers-" in id_ for id_ in steps)


def test_a_single_host_grows_behind_a_balancer(built: Callable[[str], Simulator]) -> None:
    sim = built("single")
    sim.world.edit(Spec.model_validate(grown()))
    steps = {step.id: step for step in sim.plan()}
    named = "only/in-cluster/balancer"
    assert "only/in-cluster/guarded" in ancestors(steps, named)
    assert named in ancestors(steps, "only/control-plane/reconfigure")
    sim.converge()
    assert behind(sim.world) == [("10.77.4.100", 6440)]
    assert sim.world.reconcilers.leases == set()
    assert unsettled(sim.world) == []


@pytest.mark.parametrize("value", ["masters", "balancer"])
@pytest.mark.parametrize("host", ["lb2", "master1"])
def test_a_host_is_replaced_while_pods_are_led_either_way(value: str, host: str) -> None:
    document = document_of("vip")
    by_name(document)
    said(value)(document)
    sim = bare(document)
    sim.converge()
    whole = sim.world.spec
    sim.world.edit(without(whole, host))
    sim.converge()
    assert sim.world.violations == []
    assert (sim.world.address(host), 6440) not in behind(sim.world)
    assert (sim.world.address(host), 6443) not in behind(sim.world)
    sim.world.edit(whole)
    sim.converge()
    assert unsettled(sim.world) == []
