"""Cluster DNS survives any one host: its pods stand on hosts of their own, and stay so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from kanae.facts.model import ObjectKey
from kanae.facts.workloads import DNS
from kanae.layout import paths as at
from kanae.plan.actions import Addon, ApplyObjects, DrainNode
from kanae.plan.model import Step
from kanae.spec.models import Role, Spec

from .dns import coredns
from .effects.kubeadm import patch_of
from .fixtures import EXAMPLES, Desk, document_of, example
from .settled import unsettled
from .simulator import Simulator, whole_world
from .world import World

Document = dict[str, Any]
SERVICE: Final = ObjectKey("services", "kube-system", "kube-dns")


def whole(name: str) -> Simulator:
    return Simulator(whole_world(name).copy())


def serves(world: World) -> list[str]:
    """Hosts of pods that serve."""
    return [host for host in world.dns.places if host and world.hosts[host].powered]


def waited_for(sim: Simulator, addon: str) -> list[Step]:
    """All that the step of an add-on waits for."""
    steps = sim.plan().by_id()
    found = [next(id_ for id_ in steps if id_.endswith(f"/add-ons/{addon}"))]
    for id_ in found:
        found += [need for need in steps[id_].needs if need not in found]
    return [steps[id_] for id_ in found[1:]]


@pytest.mark.parametrize("name", [name for name in EXAMPLES if len(example(name).nodes) > 1])
def test_after_a_build_any_host_may_go_and_names_are_resolved_on_all_others(name: str) -> None:
    for lost in example(name).nodes:
        sim = whole(name)
        assert sorted(sim.world.dns.places) == sorted(sim.world.spec.nodes)
        sim.world.hosts[lost].power_cut()
        assert sorted([*serves(sim.world), lost]) == sorted(sim.world.spec.nodes)
        # Those that are left do not double, so that all is as before when it is back.
        sim.world.schedule()
        assert len(set(serves(sim.world))) == len(serves(sim.world)) == len(sim.world.nodes) - 1
        sim.world.hosts[lost].power_on()
        sim.world.schedule()
        assert sorted(sim.world.dns.places) == sorted(sim.world.spec.nodes)
        assert sim.plan().empty


def test_every_node_asks_its_own_pod_first() -> None:
    """kube-proxy goes on to a dead host's pod until its node is given up."""
    assert whole("reference").world.objects[SERVICE]["spec"] == {
        "trafficDistribution": "PreferSameNode"
    }


def test_on_a_single_host_all_pods_have_to_be_there() -> None:
    sim = whole("single")
    assert sim.world.dns.places == ["only", "only"]
    assert sim.plan().empty


def _as_kubeadm_alone_writes_it(world: World) -> None:
    """Older kanae, or kubeadm upgrade without --patches: the pods stand where they stood first."""
    world.objects[DNS] = coredns(None, "")
    world.objects[SERVICE] = {"data": {}}


def _scaled(world: World) -> None:
    world.objects[DNS]["spec"]["replicas"] = 1


def _pods(world: World) -> Document:
    pods: Document = world.objects[DNS]["spec"]["template"]["spec"]
    return pods


HARMS: Final[dict[str, Callable[[World], object]]] = {
    "kubeadm's own": _as_kubeadm_alone_writes_it,
    "scaled": _scaled,
    "allowed together": lambda world: _pods(world)["affinity"].update(podAntiAffinity={}),
    "tolerant for long": lambda world: _pods(world)["tolerations"].clear(),
    "any pod alike": lambda world: world.objects[SERVICE].update(spec={}),
    "without a Deployment": lambda world: world.objects.pop(DNS),
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_somebody_else_wrote_is_seen_and_repaired(harm: str) -> None:
    sim = whole("reference")
    HARMS[harm](sim.world)
    sim.world.schedule()
    if harm == "kubeadm's own":
        assert sim.world.dns.places == ["server1", "server1"]
    plan = sim.plan()
    assert {type(step.action) for step in plan} <= {Addon, ApplyObjects}
    assert any(step.changes for step in plan)
    sim.converge()
    assert unsettled(sim.world) == []
    assert sorted(sim.world.dns.places) == sorted(sim.world.spec.nodes)
    # Written last: kubeadm's way of writing the Service would have taken it away.
    assert sim.world.objects[SERVICE]["spec"] == {"trafficDistribution": "PreferSameNode"}


@pytest.mark.parametrize("host", example("vip").having(Role.CONTROL_PLANE))
def test_kubeadm_itself_keeps_the_pods_apart_on_whatever_host_it_is_run(host: str) -> None:
    """As `kubeadm upgrade apply --patches` of that folder does."""
    sim = whole("vip")
    before = sim.world.objects[DNS]
    after = coredns(before, patch_of(sim.world.hosts[host]))
    # Which image, is not a patch's affair.
    template = before["spec"]["template"]
    after["spec"]["template"]["spec"]["containers"] = template["spec"]["containers"]
    sim.world.objects[DNS] = after
    assert after == before
    assert sim.plan().empty


def test_pods_follow_hosts_that_come_and_go() -> None:
    sim = whole("single")
    document = document_of("single")
    document["hosts"]["more"] = {"address": "10.77.3.77", "roles": ["worker"]}
    sim.world.edit(Spec.model_validate(document))
    steps = sim.plan().by_id()
    assert "more/workers/join" in steps["only/add-ons/coredns"].needs
    sim.converge()
    assert sorted(sim.world.dns.places) == ["more", "only"]
    sim.world.edit(example("single"))
    # A budget for CoreDNS may let pods go only when there are nodes for all of them again.
    assert not any(isinstance(step.action, DrainNode) for step in waited_for(sim, "coredns"))
    sim.converge()
    assert unsettled(sim.world) == []
    assert sim.world.dns.places == ["only", "only"]


def test_a_host_that_coredns_does_not_tolerate_is_not_waited_for() -> None:
    document = document_of("reference")
    document["hosts"]["server4"]["taints"] = [{"key": "gpu", "effect": "NoSchedule"}]
    sim = Simulator(World.bare(Desk.of(Spec.model_validate(document))))
    sim.converge()
    assert sorted(sim.world.dns.places) == ["server1", "server2", "server3"]


def test_an_apply_of_todays_kanae_brings_a_cluster_of_before_there() -> None:
    sim = whole("three-machines")
    for host in sim.world.spec.nodes:
        sim.world.hosts[host].remove(at.COREDNS_PATCH)
    _as_kubeadm_alone_writes_it(sim.world)
    sim.world.schedule()
    sim.world.forget()
    assert set(sim.world.dns.places) == {"node1"}
    sim.converge()
    assert unsettled(sim.world) == []
    assert sim.world.restarts() == {}
