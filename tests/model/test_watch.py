"""What the simulated cluster calls a violation when members of etcd and nodes come and go."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kanae.errors import StepFailed
from kanae.layout import units
from kanae.plan.actions import (
    AddMember,
    DeleteNode,
    DrainNode,
    PromoteMember,
    RemoveMember,
)
from kanae.plan.model import Action, Step

from .effects import EFFECTS
from .effects.kubeadm import join_etcd, stored
from .simulator import Simulator
from .world import World

MEMBERS = {
    "three-machines": ("node1", "node2", "node3"),
    "dedicated-etcd": ("etcd1", "etcd2", "etcd3"),
}
Built = Callable[[str], Simulator]


def carry_out(world: World, host: str, action: Action) -> None:
    for _ in EFFECTS[type(action)](world, Step("a", host, "s", "t", action), action):
        world.watch()
    world.watch()


@pytest.fixture(params=MEMBERS)
def cluster(built: Built, request: pytest.FixtureRequest) -> tuple[World, tuple[str, ...]]:
    world = built(request.param).world
    world.watch()
    assert world.violations == []
    return world, MEMBERS[request.param]


def test_a_dead_member_is_replaced_when_it_is_removed_first(
    cluster: tuple[World, tuple[str, ...]],
) -> None:
    world, (via, _, dead) = cluster
    peer = world.peer(dead)
    world.hosts[dead].power_cut()
    carry_out(world, via, RemoveMember(peer, keep=2))
    assert world.members == {via: True, cluster[1][1]: True}
    carry_out(world, via, AddMember(peer))
    assert world.members[dead] is False
    with pytest.raises(StepFailed, match="it has not started yet"):
        carry_out(world, via, PromoteMember(peer))
    assert world.violations == []


def test_none_is_added_while_one_of_three_is_dead(cluster: tuple[World, tuple[str, ...]]) -> None:
    world, (*_, dead) = cluster
    world.hosts[dead].power_cut()
    assert world.add_refused() == "etcdserver: unhealthy cluster"
    world.members["new"] = False
    world.watch()
    assert world.violations == [
        "['new'] became a member of etcd in spite of: etcdserver: unhealthy cluster"
    ]


def test_a_second_learner_is_a_violation(cluster: tuple[World, tuple[str, ...]]) -> None:
    world, _ = cluster
    world.members["new"] = False
    world.watch()
    assert world.violations == []
    world.members["newer"] = False
    world.watch()
    assert "too many learner members" in world.violations[0]


def test_a_live_member_that_leaves_with_the_quorum_is_a_violation(
    cluster: tuple[World, tuple[str, ...]],
) -> None:
    world, (via, live, dead) = cluster
    world.hosts[dead].power_cut()
    # What serves with a member ends before the member goes.
    world.hosts[live].pods.pop("kube-apiserver", None)
    with pytest.raises(StepFailed, match="last seen: etcdserver: unhealthy cluster"):
        carry_out(world, via, RemoveMember(world.peer(live), keep=1))
    assert world.violations == []
    world.forget_member(live)
    world.watch()
    told = f"etcd has lost its quorum with ['{live}']: ['{via}', '{dead}'] are left"
    assert told in world.violations


def test_an_external_member_that_is_listed_and_starts_empty_is_a_violation(built: Built) -> None:
    """The host is new, and etcd still counts on the old one's data."""
    world = built("dedicated-etcd").world
    [step] = [
        each
        for each in Simulator(World.bare(world.desk)).plan()
        if each.id == "etcd3/etcd/converge"
    ]
    world.hosts["etcd3"].remove("/var/lib/etcd/member")
    carry_out(world, "etcd3", step.action)
    assert world.violations == ["etcd of etcd3 starts empty and was a member before"]


def test_a_stacked_member_that_is_listed_and_joins_again_is_a_violation(built: Built) -> None:
    """kubeadm would not add it a second time, and boot it with nothing."""
    world = built("three-machines").world
    step = Step("node3/control-plane/join", "node3", "s", "t", AddMember(""))
    for _ in join_etcd(world, world.hosts["node3"], step, stored(world, 0)):
        pass
    assert world.violations == ["etcd of node3 starts empty as a member that is listed"]


@pytest.mark.parametrize("name", MEMBERS)
def test_a_node_whose_kubelet_runs_must_not_be_deleted(built: Built, name: str) -> None:
    world = built(name).world
    via, node = world.ready_hosts()[0], list(world.nodes)[-1]
    world.budgets[node] = "web"
    with pytest.raises(StepFailed, match="PodDisruptionBudget web"):
        carry_out(world, via, DrainNode(node))
    carry_out(world, via, DeleteNode(node))
    assert world.violations == [f"a while kubelet runs on {node}"]


def test_data_of_a_member_that_was_removed_is_no_other_members(
    cluster: tuple[World, tuple[str, ...]],
) -> None:
    world, (via, _, dead) = cluster
    peer = world.peer(dead)
    world.hosts[dead].power_cut()
    carry_out(world, via, RemoveMember(peer, keep=2))
    world.hosts[dead].power_on()
    world.watch()
    assert world.violations == []
    carry_out(world, via, AddMember(peer))
    assert f"etcd of {dead} is a member with the data of one that was removed" in world.violations


def test_while_one_is_dead_the_others_are_watched_as_well(
    cluster: tuple[World, tuple[str, ...]],
) -> None:
    world, (via, other, dead) = cluster
    world.hosts[dead].power_cut()
    world.watch()
    assert world.violations == []
    if world.external:
        world.hosts[other].stop(units.ETCD)
    else:
        world.hosts[other].pods.pop("etcd")
    world.watch()
    assert world.violations == [
        f"etcd has lost its quorum while ['{dead}'] are dead: {[via, other, dead]}",
        f"no API server is ready any more while ['{dead}'] are dead",
    ]


def test_while_one_is_dead_an_api_server_is_ready(built: Built) -> None:
    world = built("dedicated-etcd").world
    masters = world.ready_hosts()
    world.hosts["etcd1"].power_cut()
    world.watch()
    for host in masters:
        assert world.violations == []
        world.hosts[host].pods.pop("kube-apiserver")
        world.watch()
    assert world.violations == ["no API server is ready any more while ['etcd1'] are dead"]
