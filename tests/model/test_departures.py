"""Hosts leave a living cluster, and others come in their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kanae.errors import Refused
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.actions import DrainNode, ReleaseVolumes
from kanae.plan.membership import without
from kanae.spec.models import Spec

from .fixtures import document_of
from .settled import unsettled
from .simulator import Moments, Simulator

Document = dict[str, Any]


def drop(document: Document, *hosts: str) -> None:
    for host in hosts:
        del document["hosts"][host]


def edit(sim: Simulator, change: Callable[[Document], object]) -> None:
    document = document_of(sim.world.spec.name)
    change(document)
    sim.world.edit(Spec.model_validate(document))


def remembered(sim: Simulator) -> set[str]:
    """Hosts on the lists that control-plane hosts keep."""
    return {
        name
        for host in sim.world.spec.hosts
        if host in sim.world.ready_hosts()
        for name in sim.world.hosts
        if f'"name": "{name}"' in sim.world.hosts[host].text(marks.path(marks.HOSTS))
    }


LEAVE = [
    ("vip", ("worker2",)),
    ("vip", ("lb2",)),
    ("vip", ("master1", "master2")),
    ("vip", ("master3", "master2")),
    ("reference", ("server5",)),
    ("reference", ("server1", "server2")),
    ("dedicated-etcd", ("etcd1", "etcd2")),
    ("dedicated-etcd", ("master1",)),
    ("three-machines", ("node2", "node3")),
]


@pytest.mark.parametrize("away", [False, True], ids=["answer", "are dead"])
@pytest.mark.parametrize(("name", "hosts"), LEAVE)
def test_hosts_that_leave_the_spec_leave_the_cluster(
    built: Callable[[str], Simulator], name: str, hosts: tuple[str, ...], away: bool
) -> None:
    sim = built(name)
    before = {host: sim.world.hosts[host].units for host in sim.world.spec.hosts}
    if away:
        for host in hosts[:1]:
            sim.world.hosts[host].power_cut()
    edit(sim, lambda document: drop(document, *hosts))
    plan = sim.plan()
    assert set(plan.removes) == set(hosts)
    sim.converge()
    assert unsettled(sim.world) == []
    assert remembered(sim) == set(sim.world.spec.hosts)
    assert sim.plan().empty
    for host in hosts:
        here = sim.world.hosts[host]
        if here.powered:
            assert not here.has(marks.path(marks.CLUSTER))
            assert units.KUBELET not in here.units
            assert not here.pods
    assert before


NEEDED = [
    ("vip", "master1"),
    ("vip", "worker1"),
    ("reference", "server1"),
    ("reference", "server3"),
    ("reference", "server4"),
    ("dedicated-etcd", "etcd2"),
    ("dedicated-etcd", "master1"),
    ("three-machines", "node1"),
]


@pytest.mark.parametrize("away", [False, True], ids=["answers", "is dead"])
@pytest.mark.parametrize(("name", "host"), NEEDED)
def test_a_host_is_replaced_by_a_blank_one_of_its_name(
    built: Callable[[str], Simulator], name: str, host: str, away: bool
) -> None:
    sim = built(name)
    whole = sim.world.spec
    if away:
        sim.world.hosts[host].power_cut()
    sim.world.edit(without(whole, host))
    sim.converge()
    assert sim.world.violations == []
    assert host not in sim.world.nodes
    assert host not in sim.world.members
    sim.world.edit(whole)
    sim.world.add_host(host)
    sim.world.joins.pop(host, None)
    sim.world.inits = {key: n for key, n in sim.world.inits.items() if key != host} or {host: 1}
    sim.converge()
    assert unsettled(sim.world) == []
    assert sim.plan().empty


@pytest.mark.parametrize(
    ("name", "host"), [("vip", "master2"), ("reference", "server2"), ("dedicated-etcd", "etcd1")]
)
def test_killed_after_any_record_a_replacement_is_gone_on_with(
    built: Callable[[str], Simulator], name: str, host: str
) -> None:
    start = built(name)
    start.world.hosts[host].power_cut()
    whole = start.world.spec
    for number in range(1, 200):
        sim = Simulator(start.world.copy())
        sim.world.edit(without(whole, host))
        killed = sim.apply(Moments(kill_record=number)) is None
        sim.converge()
        assert sim.world.violations == []
        assert host not in sim.world.members
        if not killed:
            break
    else:
        raise AssertionError("a departure of more than 200 records")
    world = sim.world
    for number in range(1, 400):
        sim = Simulator(world.copy())
        sim.world.edit(whole)
        sim.world.add_host(host)
        sim.world.joins.pop(host, None)
        killed = sim.apply(Moments(kill_record=number)) is None
        sim.converge()
        assert [each for each in unsettled(sim.world) if "kubeadm init" not in each] == []
        if not killed:
            return
    raise AssertionError("a join of more than 400 records")


def test_without_a_quorum_of_the_others_nothing_leaves(built: Callable[[str], Simulator]) -> None:
    sim = built("dedicated-etcd")
    sim.world.hosts["etcd1"].power_cut()
    sim.world.hosts["etcd2"].stop(units.ETCD)
    edit(sim, lambda document: drop(document, "etcd1", "etcd3"))
    with pytest.raises(Refused):
        sim.plan()


def test_members_do_not_all_leave_while_others_are_still_to_come(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("dedicated-etcd")
    edit(sim, lambda document: drop(document, "etcd1", "etcd2"))
    sim.converge()
    edit(sim, lambda document: drop(document, "etcd2", "etcd3"))
    with pytest.raises(Refused, match="nobody would be left of etcd") as refused:
        sim.plan()
    assert "put etcd3 back into the spec" in refused.value.remedy


# Hosts that have to go with it, so that the spec stays one.
LOSES = {"server4": ("server4",), "master2": ("master2", "master3")}


def say_off(sim: Simulator, host: str) -> None:
    desk = sim.world.desk
    sim.world.desk = replace(desk, site=replace(desk.site, off=frozenset({host})))


@pytest.mark.parametrize(("name", "host"), [("reference", "server4"), ("vip", "master2")])
def test_volumes_of_a_host_that_is_off_are_released_and_nothing_waits_for_it(
    built: Callable[[str], Simulator], name: str, host: str
) -> None:
    sim = built(name)
    sim.world.hosts[host].power_cut()
    edit(sim, lambda document: drop(document, *LOSES[host]))
    say_off(sim, host)
    did = {type(step.action): step.action for step in sim.plan().steps}
    assert did[ReleaseVolumes] == ReleaseVolumes(host)
    assert all(step.action != DrainNode(host) for step in sim.plan().steps)
    sim.converge()
    assert unsettled(sim.world) == []
    assert sim.plan().empty


def test_a_host_that_answers_is_not_off(built: Callable[[str], Simulator]) -> None:
    sim = built("vip")
    edit(sim, lambda document: drop(document, "worker1"))
    say_off(sim, "worker1")
    with pytest.raises(Refused) as refused:
        sim.plan()
    assert "worker1" in str(refused.value)
    assert "answers" in str(refused.value)


def test_the_last_ready_api_server_does_not_leave(built: Callable[[str], Simulator]) -> None:
    sim = built("vip")
    for host in ("master1", "master2"):
        sim.world.hosts[host].stop(units.KUBELET)
        del sim.world.hosts[host].pods["kube-apiserver"]
    edit(sim, lambda document: drop(document, "master3", "master2"))
    with pytest.raises(Refused) as refused:
        sim.plan()
    assert "no API server would be ready" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "hosts"), [("vip", ("master2", "master3")), ("dedicated-etcd", ("etcd2", "etcd3"))]
)
def test_no_member_leaves_while_who_they_are_is_not_told(
    built: Callable[[str], Simulator], name: str, hosts: tuple[str, ...]
) -> None:
    """As where etcdctl has not come in time, or has not been delivered yet: the data of a member
    would be removed, and the member stay."""
    sim = built(name)
    edit(sim, lambda document: drop(document, *hosts))
    facts = sim.world.facts()
    silent = {host: replace(each, etcd=None) for host, each in facts.hosts.items()}
    with pytest.raises(Refused, match="none of its members answers"):
        sim.world.desk.plan(replace(facts, hosts=silent))


def test_etcd_is_asked_where_its_member_answers(built: Callable[[str], Simulator]) -> None:
    """Of five one is dead and leaves, another is sick and stays: the first that would be asked."""
    sim = built("vip")
    document = document_of("vip")
    for number in (4, 5):
        document["hosts"][f"master{number}"] = document["hosts"]["master3"] | {
            "address": f"10.77.2.{240 + number}"
        }
    sim.world.edit(Spec.model_validate(document))
    sim.converge()
    sim.world.hosts["master1"].pods.pop("etcd")
    sim.world.hosts["master5"].power_cut()
    drop(document, "master4", "master5")
    sim.world.edit(Spec.model_validate(document))
    result = sim.apply()
    assert result is not None
    assert result.ok, result.failure(sim.values.redactor)
    assert set(sim.world.members) == {"master1", "master2", "master3"}


def test_a_member_of_external_etcd_ends_in_order_before_it_is_removed(
    built: Callable[[str], Simulator],
) -> None:
    """Where the others are a quorum without it; else it is removed first."""
    sim = built("dedicated-etcd")
    edit(sim, lambda document: drop(document, "etcd3", "etcd2"))
    steps = sim.plan().by_id()
    members = {id_: step for id_, step in steps.items() if "/departure/member-" in id_}
    ended = {id_ for id_ in steps if "/departure/etcd-" in id_}
    assert ended == {"etcd2/departure/etcd-etcd2"}
    [first] = [step for id_, step in members.items() if id_.endswith("etcd2")]
    assert ended <= set(first.needs)
    sim.converge()
    assert sim.world.violations == []


def test_balancers_lead_to_a_control_plane_host_when_its_api_server_is_ready(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")

    def grow(document: Document) -> None:
        for number in (4, 5):
            address = {"address": f"10.77.2.{240 + number}"}
            document["hosts"][f"master{number}"] = document["hosts"]["master3"] | address

    edit(sim, grow)
    steps = sim.plan().by_id()
    ready = {f"master{number}/backends/api-ready" for number in (4, 5)}
    for step in ready:
        assert step.replace("backends/api-ready", "control-plane/join") in steps[step].needs
    for balancer in ("lb1", "lb2"):
        assert ready <= set(steps[f"{balancer}/backends/converge"].needs)
        assert f"{balancer}/balancer/converge" not in steps
    sim.converge()
    assert sim.world.violations == []


def test_kubectl_runs_where_an_api_server_is_ready(built: Callable[[str], Simulator]) -> None:
    sim = built("vip")
    sim.world.hosts["master1"].pods.pop("kube-apiserver")
    edit(sim, lambda document: drop(document, "worker2"))
    drains = [step.host for step in sim.plan().steps if isinstance(step.action, DrainNode)]
    assert drains == ["master2"]


@pytest.mark.parametrize(("name", "host"), [("vip", "worker2"), ("vip", "lb2")])
def test_a_host_is_not_renamed(built: Callable[[str], Simulator], name: str, host: str) -> None:
    """It would be prepared under one name while it is wiped under the other."""
    sim = built(name)
    document = document_of(name)
    document["hosts"]["other"] = document["hosts"].pop(host)
    sim.world.hosts["other"] = sim.world.hosts[host]
    sim.world.edit(Spec.model_validate(document))
    with pytest.raises(Refused, match=f"{host} leaves the cluster and other has its address"):
        sim.plan()


def test_who_is_said_to_be_off_and_does_not_leave_is_told(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")
    sim.world.hosts["worker2"].power_cut()
    edit(sim, lambda document: drop(document, "worker2"))
    say_off(sim, "worker22")
    with pytest.raises(Refused, match="worker22 is said to be off, and is not leaving"):
        sim.plan()


def test_a_blank_machine_in_the_place_of_one_that_is_off_is_left_alone(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")
    sim.world.add_host("worker2")
    edit(sim, lambda document: drop(document, "worker2"))
    say_off(sim, "worker2")
    plan = sim.plan()
    assert any(step.action == ReleaseVolumes("worker2") for step in plan.steps)
    assert all(step.host != "worker2" for step in plan.steps)
    sim.converge()
    assert unsettled(sim.world) == []


def test_what_another_cluster_says_in_the_place_of_a_host_is_not_of_this_one(
    built: Callable[[str], Simulator],
) -> None:
    """Its machine was given away: it has other authorities, nodes and members of etcd."""
    sim = built("dedicated-etcd")
    sim.world.hosts["etcd3"].power_cut()
    sim.world.hosts["etcd3"].power_on()
    away = sim.world.hosts["etcd3"]
    away.write(marks.path(marks.CLUSTER), "other\n")
    away.write(at.ETCD_CA, "of another cluster\n")
    away.write(at.key(at.ETCD_CA), "of another cluster\n")
    edit(sim, lambda document: drop(document, "etcd2", "etcd3"))
    plan = sim.plan()
    assert set(plan.removes) == {"etcd2", "etcd3"}
    assert all(step.host != "etcd3" for step in plan.steps)


def test_one_that_was_away_does_not_bring_back_who_has_left_since(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("dedicated-etcd")
    sim.world.hosts["master2"].power_cut()
    edit(sim, lambda document: drop(document, "master2", "worker1"))
    sim.converge()
    edit(sim, lambda document: drop(document, "worker1"))
    sim.world.hosts["master2"].power_on()
    assert "worker1" in sim.world.hosts["master2"].text(marks.path(marks.HOSTS))
    assert sim.plan().removes == ()
