"""Edits that are refused on a living cluster, and what its hosts may not have become."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from kanae.errors import Refused
from kanae.layout import marks, units
from kanae.layout import paths as at

from .edits import MASTERS, edited, on_host, put
from .fixtures import Desk, example
from .simulator import Simulator
from .world import World


def _without_server4(document: dict[str, Any]) -> None:
    del document["hosts"]["server4"]


def test_hosts_that_cannot_be_reached_are_not_taken_for_bare(
    built: Callable[[str], Simulator],
) -> None:
    sim = Simulator(World.bare(Desk.of(example("reference"))))
    sim.world.hosts["server2"].power_cut()
    with pytest.raises(Refused, match="server2 cannot be reached"):
        sim.plan()
    living = built("reference")
    living.world.hosts["server2"].power_cut()
    assert living.plan().empty


def test_half_a_reset_is_not_built_upon(built: Callable[[str], Simulator]) -> None:
    sim = built("reference")
    sim.world.hosts["server2"].mark(marks.RESETTING)
    with pytest.raises(Refused, match="a reset of reference was interrupted"):
        sim.plan()


def _other_owner(world: World) -> None:
    world.hosts["server1"].write(marks.path(marks.CLUSTER), "other", 0o600)


def _lost_authority(world: World) -> None:
    for host in world.hosts.values():
        host.remove("/etc/kubernetes/pki/ca.key")


def _lost_member(world: World) -> None:
    world.hosts["server2"].remove("/var/lib/etcd/member")


def _no_harm(world: World) -> None:
    """The spec alone asks for what is refused."""


@pytest.mark.parametrize(
    ("change", "harm", "words"),
    [
        (put(kubernetes="v1.36.3"), _no_harm, "changing the version"),
        (
            put(networks={"pods": "10.200.0.0/16"}),
            _no_harm,
            "the pod network of a living cluster cannot be changed "
            "(10.244.0.0/16 -> 10.200.0.0/16): this is not built yet\n"
            "  remedy: set networks.pods to what it was: 10.244.0.0/16",
        ),
        (
            put(networks={"dnsDomain": "k8s.example"}),
            _no_harm,
            "the DNS domain of a living cluster cannot be changed (cluster.local -> k8s.example)",
        ),
        (put(endpoint={"port": 6441}), _no_harm, "the endpoint cannot be moved"),
        (put(), _other_owner, "belongs to the cluster 'other'"),
        (put(), _lost_authority, "no reachable host holds"),
        (put(), _lost_member, "lost the data of its etcd member"),
    ],
    ids=["version", "pods", "domain", "endpoint", "owner", "authority", "member"],
)
def test_what_would_be_half_done_or_lose_something_is_refused(
    built: Callable[[str], Simulator],
    change: Callable[[dict[str, Any]], None],
    harm: Callable[[World], None],
    words: str,
) -> None:
    sim = built("reference")
    harm(sim.world)
    sim.world.edit(edited("reference", change))
    with pytest.raises(Refused, match=re.escape(words)):
        sim.plan()


def _another_member(document: dict[str, Any]) -> None:
    document["hosts"]["extra"] = {"address": "10.77.1.77", "roles": ["etcd"]}
    document["hosts"]["extra2"] = {"address": "10.77.1.78", "roles": ["etcd"]}


def _stacked(document: dict[str, Any]) -> None:
    document["etcd"] = {**document.get("etcd", {}), "topology": "stacked"}
    for host in document["hosts"].values():
        host["roles"] = [role for role in host["roles"] if role != "etcd"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put(kubernetes="v1.36.3"), "changing the version"),
        (_without_server4, "server4 (worker at 10.77.1.13) cannot leave the cluster while no API"),
        (put(networks={"pods": "10.200.0.0/16"}), "the pod network"),
        (put(networks={"services": "10.201.0.0/16"}), "the service network"),
        (put(endpoint={"port": 6441}), "the endpoint cannot be changed while no API"),
        (on_host("server2", address="10.77.1.99"), "the address of server2 cannot be changed"),
        (_another_member, "extra, extra2 cannot become a member of etcd while none"),
        (_stacked, "taking a role away"),
    ],
    ids=["version", "host", "pods", "services", "endpoint", "address", "member", "topology"],
)
def test_refusals_hold_while_nothing_answers(
    built: Callable[[str], Simulator], change: Callable[[dict[str, Any]], None], words: str
) -> None:
    """The hosts were booted just now: neither etcd nor an API server answers yet."""
    sim = built("reference")
    for host in MASTERS:
        for unit in (units.ETCD, units.KUBELET):
            sim.world.hosts[host].stop(unit)
        sim.world.hosts[host].pods = {}
    assert sim.world.facts().api is None
    sim.world.edit(edited("reference", change))
    with pytest.raises(Refused, match=re.escape(words)):
        sim.plan()


def test_a_reset_takes_the_folder_of_etcd_that_is_in_use(
    built: Callable[[str], Simulator],
) -> None:
    """With a spec that was edited and refused, and again when the reset was cut off."""
    for name, host in (("vip", "master1"), ("reference", "server1")):
        sim = built(name)
        sim.world.edit(edited(name, put(etcd={"dataDir": "/data/other"})))
        with pytest.raises(Refused):
            sim.plan()
        [step] = [step for step in sim.reset_plan() if step.id == f"{host}/etcd/remove"]
        assert [change.subject for change in step.changes] == ["/var/lib/etcd/member"]
        sim.world.resetting = True
        sim.world.hosts[host].mark(marks.ETCD_DATA, "/var/lib/etcd")
        sim.world.hosts[host].remove(at.MANIFESTS)
        assert f"{host}/etcd/remove" in {
            step.id
            for step in sim.reset_plan()
            if [change.subject for change in step.changes] == ["/var/lib/etcd/member"]
        }


@pytest.mark.parametrize(
    ("name", "inside", "words"),
    [
        ("vip", ("lost+found",), ""),
        ("vip", ("dump.sql",), "empty it"),
        ("reference", ("dump.sql",), "empty it"),
        ("reference", ("lost+found",), ""),
        ("reference", ("member",), "empty it"),
    ],
)
def test_a_folder_of_somebodys_is_not_taken_for_etcds_data(
    name: str, inside: tuple[str, ...], words: str
) -> None:
    sim = Simulator(World.bare(Desk.of(example(name))))
    host = sim.world.spec.etcd_hosts[1]
    for entry in inside:
        sim.world.hosts[host].folder(f"/var/lib/etcd/{entry}")
    if not words:
        sim.plan()
        return
    with pytest.raises(Refused, match=f"{host} has files in /var/lib/etcd") as error:
        sim.plan()
    assert words in error.value.remedy
