"""A living cluster goes to another version: in which order, and wherever it is cut off."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import permutations
from typing import Any, Final

import pytest

from kanae.artifacts import catalogue
from kanae.errors import Refused
from kanae.facts.nodes import CORDONED
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.upgrade_actions import KubeadmUpgrade
from kanae.spec.models import Role, Spec
from kanae.spec.versions import KubernetesVersion, upgrade_skew

from ..unit.golden import GOLDEN, agree
from . import versions
from .fixtures import Desk, ancestors, document_of
from .settled import unsettled
from .simulator import Moments, Simulator
from .test_living_plans import recorded
from .world import World

OLD: Final = "v1.36.3"
NEW: Final = "v1.37.2"
NAMES: Final = ("reference", "vip", "three-machines", "single", "dedicated-etcd")


def _spec(name: str, version: str, **fields: Any) -> Spec:
    return Spec.model_validate(document_of(name) | {"kubernetes": version} | fields)


@cache
def _built(name: str, version: str = OLD) -> World:
    sim = Simulator(World.bare(Desk.of(_spec(name, version))))
    sim.converge()
    return sim.world


def _upgrading(name: str, version: str = NEW) -> Simulator:
    sim = Simulator(_built(name).copy())
    sim.world.edit(_spec(name, version))
    return sim


def _at(world: World) -> dict[str, tuple[str, str]]:
    """What runs on each node: the API server (where there is one) and kubelet."""
    return {
        host: (versions.pod(world, host, versions.API_SERVER), versions.kubelet(world, host))
        for host in world.spec.nodes
    }


def _end(world: World) -> World:
    """What another run makes of one that was killed. Meanwhile kubelets bring back static pods that
    it had ended; and `kanae apply` plans again when an API server answers that did not."""
    for here in world.hosts.values():
        here.sync_pods()
    again = Simulator(world)
    if world.facts().api is None:
        again.apply()
    again.converge()
    return again.world


def _whole(world: World) -> None:
    assert unsettled(world) == []
    for host, (server, kubelet) in _at(world).items():
        assert kubelet == NEW, host
        assert server == (NEW if host in world.spec.having(Role.CONTROL_PLANE) else ""), host
    for name, node in world.nodes.items():
        assert not node["spec"].get("unschedulable"), name
        assert CORDONED not in node["metadata"].get("annotations", {}), name
    assert not any(host.marked(marks.UPGRADING) for host in world.hosts.values())
    # kubeadm's own pick for 1.36 is one from which etcd does not go on.
    etcd = "3.7.3" if world.external else "3.6.8"
    assert {versions.etcd(world, host) for host in world.spec.etcd_hosts} == {etcd}


@pytest.mark.parametrize("name", NAMES)
def test_a_living_cluster_is_upgraded_whole(name: str) -> None:
    sim = _upgrading(name)
    sim.converge()
    _whole(sim.world)


@pytest.mark.parametrize("name", ["reference", "vip", "three-machines"])
def test_an_upgrade_is_planned_as_recorded(name: str) -> None:
    agree(GOLDEN / f"plan/living/{name}-upgrade.txt", recorded(_upgrading(name).plan()))


@pytest.mark.parametrize("name", ["reference", "vip", "three-machines"])
def test_an_upgrade_that_was_cut_off_half_way_is_planned_as_recorded(name: str) -> None:
    """Two of three control planes are at the new version."""
    sim = _upgrading(name)
    taken: list[World] = []

    def seen(_: str) -> None:
        servers = [server for server, _ in _at(sim.world).values()]
        if servers.count(NEW) == 2 and not taken:
            taken.append(sim.world.copy())

    sim.apply(Moments(seen=seen))
    again = Simulator(taken[0].copy())
    agree(GOLDEN / f"plan/living/{name}-upgrade-half-way.txt", recorded(again.plan()))
    _whole(_end(taken[0]))


@pytest.mark.parametrize("name", ["reference", "three-machines"])
def test_killed_after_any_record_a_second_run_ends_the_upgrade(name: str) -> None:
    sim, taken = _upgrading(name), list[World]()

    def seen(what: str) -> None:
        if what == "record":
            taken.append(sim.world.copy())

    result = sim.apply(Moments(seen=seen))
    assert result is not None
    assert result.ok, result.failure(sim.values.redactor)
    assert len(taken) > 40
    for world in taken[::2]:
        _whole(_end(world))


@pytest.mark.parametrize(("name", "every"), [("single", 1), ("three-machines", 11)])
def test_killed_after_any_effect_a_second_run_ends_the_upgrade(name: str, every: int) -> None:
    sim, taken = _upgrading(name), list[World]()

    def seen(what: str) -> None:
        if what == "effect":
            taken.append(sim.world.copy())

    sim.apply(Moments(seen=seen))
    for world in taken[::every]:
        _whole(_end(world))


def test_etcd_comes_first_then_control_planes_then_kubelets_and_workers_last() -> None:
    sim = _upgrading("reference")
    steps = sim.plan().by_id()
    planes = sim.world.spec.having(Role.CONTROL_PLANE)
    before = {id_: ancestors(steps, id_) for id_ in steps}
    etcd = [id_ for id_ in steps if id_.endswith("/etcd-program/converge")]
    moved = [f"{host}/upgrade/control-plane" for host in planes]
    assert len(etcd) == 3
    for step in moved:
        assert set(etcd) <= before[step]
    kubelets = [id_ for id_ in steps if id_.endswith("/node/kubelet")]
    assert len(kubelets) == len(sim.world.spec.nodes)
    for step in kubelets:
        assert set(moved) <= before[step]
        host = step.partition("/")[0]
        assert any(id_.endswith(f"/nodes/drain-{host}") for id_ in before[step])
    workers = [f"{host}/node/kubelet" for host in sim.world.spec.nodes if host not in planes]
    for step in workers:
        assert {f"{host}/node/kubelet" for host in planes} <= before[step]


def test_everything_of_the_new_version_is_everywhere_and_etcd_is_saved_before_anything_stops() -> (
    None
):
    steps = _upgrading("reference").plan().by_id()
    loads = {id_ for id_ in steps if id_.endswith(("/images/converge", "/artifacts/converge"))}
    saved = {id_ for id_ in steps if id_.endswith("/upgrade/snapshot")}
    assert len(saved) == 2
    for id_ in steps:
        if id_.endswith(("/etcd-program/converge", "/upgrade/control-plane", "/node/kubelet")):
            assert loads | saved <= ancestors(steps, id_), id_


def test_who_leads_etcd_is_the_last_and_hands_over_once() -> None:
    sim = _upgrading("reference")
    sim.world.leader = sim.world.spec.etcd_hosts[1]
    steps = sim.plan().by_id()
    (moved,) = [id_ for id_ in steps if id_.endswith("/etcd/move-leader")]
    changed = [id_ for id_ in steps if id_.endswith("/etcd-program/converge")]
    last = f"{sim.world.leader}/etcd-program/converge"
    assert changed[-1] == last
    assert moved in steps[last].needs
    assert set(changed[:-1]) <= ancestors(steps, moved)


def test_the_first_host_is_moved_by_kubeadm_upgrade_apply_and_only_it() -> None:
    sim = _upgrading("reference")
    ups = [step.action for step in sim.plan() if isinstance(step.action, KubeadmUpgrade)]
    assert [each.first for each in ups] == [True, False, False]


def test_one_worker_goes_alone_before_the_others() -> None:
    document = document_of("reference")
    document["policies"] = {"maxUnavailableWorkers": "100%"}
    for number in range(4):
        address = f"10.77.1.{200 + number}"
        document["hosts"][f"w{number}"] = {"address": address, "roles": ["worker"]}
    sim = Simulator(World.bare(Desk.of(Spec.model_validate(document | {"kubernetes": OLD}))))
    sim.converge()
    sim.world.edit(Spec.model_validate(document | {"kubernetes": NEW}))
    steps = sim.plan().by_id()
    workers = [
        host
        for host in sim.world.spec.nodes
        if host not in sim.world.spec.having(Role.CONTROL_PLANE)
    ]
    canary, *rest = [f"{host}/node/kubelet" for host in workers]
    assert len(rest) > 2
    for one, other in permutations(rest, 2):
        assert canary in ancestors(steps, one)
        assert other not in ancestors(steps, one)
    sim.converge()
    _whole(sim.world)


def test_a_budget_that_lets_no_pod_go_stops_it_and_the_node_takes_pods_again() -> None:
    sim = _upgrading("reference")
    worker = sim.world.spec.having(Role.WORKER)[0]
    sim.world.budgets[worker] = "web"
    result = sim.apply()
    assert result is not None
    assert not result.ok
    assert "PodDisruptionBudget web" in str(result.failure(sim.values.redactor))
    assert not sim.world.nodes[worker]["spec"].get("unschedulable")
    assert versions.kubelet(sim.world, worker) == OLD
    sim.world.budgets.clear()
    sim.converge()
    _whole(sim.world)


def test_a_node_that_somebody_else_cordoned_stays_cordoned() -> None:
    sim = _upgrading("reference")
    worker = sim.world.spec.having(Role.WORKER)[0]
    sim.world.nodes[worker]["spec"]["unschedulable"] = True
    sim.converge()
    assert sim.world.nodes[worker]["spec"]["unschedulable"] is True
    assert versions.kubelet(sim.world, worker) == NEW


def test_a_node_that_a_run_left_cordoned_is_given_back() -> None:
    sim = Simulator(_built("reference", NEW).copy())
    node = sim.world.nodes["server4"]
    node["spec"]["unschedulable"] = True
    node["metadata"]["annotations"] = {CORDONED: "upgrade"}
    assert [step.id for step in sim.plan()] == ["server1/nodes/return-server4"]
    sim.converge()
    _whole(sim.world)


def test_a_control_plane_host_that_lost_a_manifest_on_the_way_comes_to_the_new_version() -> None:
    """kubeadm moves a manifest away before the new one comes; a power cut may come between."""
    sim = _upgrading("reference")
    host = sim.world.hosts["server2"]
    host.remove(f"{at.MANIFESTS}/kube-scheduler.yaml")
    host.mark(marks.UPGRADING)
    host.mark(marks.JOINED, "changing\n")
    host.sync_pods()
    sim.converge()
    _whole(sim.world)


def test_a_kubelet_that_stopped_meanwhile_comes_back_as_it_was() -> None:
    sim = _upgrading("reference")
    sim.world.hosts["server5"].stop(units.KUBELET)
    sim.converge()
    _whole(sim.world)


def test_nobody_goes_back_and_no_minor_is_skipped() -> None:
    sim = Simulator(_built("reference", NEW).copy())
    sim.world.edit(_spec("reference", OLD))
    with pytest.raises(Refused, match=r"cannot go back: .* runs v1\.37\.2") as caught:
        sim.plan()
    assert caught.value.remedy == "set kubernetes: v1.37.2"
    sim = _upgrading("reference")
    for host in sim.world.spec.having(Role.CONTROL_PLANE):
        for pod in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
            path = f"{at.MANIFESTS}/{pod}.yaml"
            text = sim.world.hosts[host].text(path).replace(OLD, "v1.35.4")
            sim.world.hosts[host].write(path, text, 0o600)
    with pytest.raises(Refused, match=r"from v1\.35\.4, .* to v1\.37\.2 at once") as caught:
        sim.plan()
    assert "set kubernetes: v1.36.3" in caught.value.remedy


def _with_etcd(world: World, version: str) -> None:
    for here in world.hosts.values():
        if here.has(at.ETCD_MANIFEST):
            text = here.text(at.ETCD_MANIFEST).replace("etcd:3.6.8", f"etcd:{version}")
            here.write(at.ETCD_MANIFEST, text, 0o600)
            here.sync_pods()


def test_external_etcd_goes_to_3_7_only_from_where_it_can() -> None:
    sim = _upgrading("reference")
    facts = sim.world.facts()
    hosts = {
        name: replace(each, etcd=replace(each.etcd, version="3.6.8") if each.etcd else None)
        for name, each in facts.hosts.items()
    }
    with pytest.raises(Refused, match=r"runs 3\.6\.8, .*: the least is 3\.6\.11"):
        sim.world.desk.plan(replace(facts, hosts=hosts))


def test_stacked_etcd_goes_on_where_it_can_and_stays_where_it_cannot() -> None:
    sim = _upgrading("three-machines")
    assert any("stays at 3.6.8" in note for note in sim.plan().notes)
    sim = _upgrading("three-machines")
    _with_etcd(sim.world, "3.6.16")
    sim.converge()
    assert {versions.etcd(sim.world, host) for host in sim.world.spec.etcd_hosts} == {"3.7.0"}
    assert unsettled(sim.world) == []


def test_nobody_joins_with_an_etcd_to_which_the_others_cannot_go() -> None:
    sim = _upgrading("three-machines")
    document = document_of("three-machines")
    document["kubernetes"] = NEW
    for number in (4, 5):
        address = f"10.77.5.{40 + number}"
        document["hosts"][f"new{number}"] = {"address": address, "roles": ["control-plane"]}
    sim.world.edit(Spec.model_validate(document))
    with pytest.raises(Refused, match=r"take new4, new5 out of the spec"):
        sim.plan()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pair
        for pair in permutations(catalogue.load().versions(), 2)
        if not upgrade_skew(*map(KubernetesVersion.parse, pair))
    ],
)
def test_version_skew_is_kept_between_any_two_versions_of_the_catalogue(old: str, new: str) -> None:
    """`World.watch` looks at it after every effect."""
    sim = Simulator(_built("vip", old).copy())
    sim.world.edit(_spec("vip", new))
    sim.converge()
    assert unsettled(sim.world) == []
