"""Hosts that have left and came back with what they had, one of them or two, are replaced."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kanae.errors import Refused
from kanae.plan.membership import as_known, without
from kanae.spec.models import Spec

from .fixtures import Desk, Document, document_of, to_virtual
from .settled import unsettled
from .simulator import Simulator


def five(name: str) -> Document:
    """The example with five members of etcd: stacked ones, or on hosts of their own."""
    document = document_of(name)
    hosts = document["hosts"]
    kind = "etcd" if "etcd1" in hosts else "master"
    network = hosts[f"{kind}1"]["address"].rpartition(".")[0]
    for number in (4, 5):
        hosts[f"{kind}{number}"] = hosts[f"{kind}3"] | {"address": f"{network}.{240 + number}"}
    return document


# Of each topology: two that die together.
PAIRS = [("vip", "master2", "master4"), ("dedicated-etcd", "etcd1", "etcd3")]


def grown(built: Callable[[str], Simulator], name: str) -> tuple[Simulator, Spec]:
    sim, whole = built(name), Spec.model_validate(five(name))
    sim.world.edit(whole)
    sim.converge()
    assert unsettled(sim.world) == []
    return sim, whole


def leave(sim: Simulator, whole: Spec, *hosts: str) -> tuple[str, ...]:
    """As the first half of `kanae replace`; the notes of its plan."""
    away = [as_known(whole, host) for host in hosts]
    sim.world.edit(without(whole, *hosts))
    sim.world.desk = Desk.of(sim.world.spec).replacing(*away)
    plan = sim.plan()
    sim.converge()
    assert sim.world.violations == []
    return plan.notes


def come(sim: Simulator, whole: Spec, *hosts: str, blank: bool = False) -> tuple[str, ...]:
    """As the second half: with what they have now, or as new hardware."""
    sim.world.edit(whole)
    for host in hosts if blank else ():
        sim.world.add_host(host)
    sim.world.desk = Desk.of(whole).replacing()
    for host in hosts:
        sim.world.joins.pop(host, None)
        sim.world.inits = {"somewhere": 1}
    plan = sim.plan()
    sim.converge()
    assert sim.world.violations == []
    return plan.notes


@pytest.mark.parametrize(("name", "first", "second"), PAIRS)
def test_two_that_left_and_came_back_together_are_replaced_one_after_the_other(
    built: Callable[[str], Simulator], name: str, first: str, second: str
) -> None:
    sim, whole = grown(built, name)
    for host in (first, second):
        sim.world.hosts[host].power_cut()
    sim.world.edit(without(whole, first, second))
    sim.converge()
    for host in (first, second):
        sim.world.hosts[host].power_on()
    sim.world.edit(whole)
    with pytest.raises(Refused) as refused:
        sim.plan()
    assert f"kanae replace {first} SPEC --also {second}" in refused.value.remedy
    for notes in (leave(sim, whole, first), come(sim, whole, first)):
        assert any(note.startswith(f"{second} has left the cluster") for note in notes)
    assert first in sim.world.voters()
    assert second not in sim.world.members
    assert leave(sim, whole, second) == come(sim, whole, second) == ()
    assert unsettled(sim.world) == []
    assert sim.plan().empty


@pytest.mark.parametrize(("name", "first", "second"), PAIRS)
def test_two_that_died_together_are_replaced_together_where_the_others_are_a_quorum(
    built: Callable[[str], Simulator], name: str, first: str, second: str
) -> None:
    sim, whole = grown(built, name)
    for host in (first, second):
        sim.world.hosts[host].power_cut()
    leave(sim, whole, first, second)
    come(sim, whole, first, second, blank=True)
    assert unsettled(sim.world) == []
    assert sim.plan().empty


def test_a_worker_that_left_and_came_back_registers_itself_by_the_endpoint_that_is_now(
    built: Callable[[str], Simulator],
) -> None:
    """It was dead while it left, and while the endpoint moved."""
    sim = built("reference")
    sim.world.hosts["server4"].power_cut()
    document = document_of("reference")
    to_virtual(document)
    document["apiServer"] = {"certSans": [document["hosts"]["lb"]["address"]]}
    whole = Spec.model_validate(document)
    sim.world.edit(without(whole, "server4"))
    sim.converge()
    sim.world.hosts["server4"].power_on()
    sim.world.edit(whole)
    sim.converge()
    assert unsettled(sim.world) == []


def test_the_last_balancer_that_is_dead_is_replaced_by_another_one(
    built: Callable[[str], Simulator],
) -> None:
    """kubectl on control-plane hosts goes by the endpoint, too."""
    sim = built("vip")
    document = document_of("vip")
    del document["hosts"]["lb1"], document["hosts"]["worker1"]
    sim.world.edit(Spec.model_validate(document))
    sim.converge()
    sim.world.hosts["lb2"].power_cut()
    document = document_of("vip")
    del document["hosts"]["lb2"]
    document["hosts"]["worker2"]["labels"] = {"rack": "one"}
    document["kubelet"] = {"maxPods": 90}
    document["kubeProxy"] = {"mode": "iptables"}
    sim.world.edit(Spec.model_validate(document))
    sim.world.joins.pop("worker1", None)
    sim.converge()
    assert unsettled(sim.world) == []
