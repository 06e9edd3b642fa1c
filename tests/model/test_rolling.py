"""Whatever is edited or repaired: never two API servers, etcd members or balancers at once, nor
more workers than the spec allows (see `World.watch`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kanae.layout import paths as at
from kanae.layout import units
from kanae.render import registration
from kanae.spec.models import Role, Spec

from .fixtures import Desk, document_of, example
from .settled import unsettled
from .simulator import Simulator
from .world import World

Document = dict[str, Any]
WORKERS: Final = 9


def grown(name: str, workers: int = WORKERS) -> Document:
    """An example with more workers, and a budget of a third of them."""
    document = document_of(name)
    subnet = next(iter(document["hosts"].values()))["address"].rpartition(".")[0]
    for number in range(workers):
        document["hosts"][f"w{number}"] = {
            "address": f"{subnet}.{200 + number}",
            "roles": ["worker"],
        }
    document["policies"] = {"maxUnavailableWorkers": "34%"}
    return document


@cache
def _built(name: str) -> World:
    sim = Simulator(World.bare(Desk.of(Spec.model_validate(grown(name)))))
    sim.converge()
    return sim.world


EDITS: Final[dict[str, Callable[[Document], object]]] = {
    "api server": lambda d: d.update(apiServer={"extraArgs": {"max-requests-inflight": "500"}}),
    "kubelet": lambda d: d.update(kubelet={"maxPods": 99}),
    "etcd": lambda d: d.setdefault("etcd", {}).update(electionTimeout=900),
    "balancer": lambda d: d.setdefault("loadBalancer", {}).update(connectTimeout="700ms"),
    "kind": lambda d: d.setdefault("loadBalancer", {}).update(
        kind="nginx" if d.get("loadBalancer", {}).get("kind", "haproxy") == "haproxy" else "haproxy"
    ),
    "proxy": lambda d: d.update(kubeProxy={"mode": "iptables"}),
}
# What somebody did by hand, or an older kanae wrote, on every host that has it.
DRIFTS: Final = {
    "containerd's configuration": at.CONTAINERD_CONFIG,
    "containerd's unit": at.CONTAINERD_UNIT,
    "kubelet's unit": at.KUBELET_UNIT,
    "kubelet itself": f"{at.BIN}/kubelet",
    "etcd's configuration": at.ETCD_CONFIG,
    "etcd itself": f"{at.BIN}/etcd",
    "etcd's balancer": at.ETCD_BALANCER_UNIT,
}


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(["reference", "vip", "three-machines", "dedicated-etcd"]),
    edits=st.sets(st.sampled_from(sorted(EDITS)), max_size=3),
    drifts=st.sets(st.sampled_from(sorted(DRIFTS)), max_size=3),
    balancer_unit=st.booleans(),
)
def test_no_edit_and_no_repair_interrupts_more_than_may_be_missing(
    name: str, edits: set[str], drifts: set[str], balancer_unit: bool
) -> None:
    sim = Simulator(_built(name).copy())
    document = grown(name)
    for edit in sorted(edits):
        # Of stacked etcd it is refused.
        if edit != "etcd" or sim.world.external:
            EDITS[edit](document)
    sim.world.edit(Spec.model_validate(document))
    paths = [DRIFTS[drift] for drift in sorted(drifts)]
    if balancer_unit:
        paths.append(f"{at.UNITS}/{units.balancer(name)}")
    for host in sim.world.hosts.values():
        for path in paths:
            if host.has(path):
                host.write(path, "as somebody else wrote it", host.files[path].mode)
    sim.converge()
    assert unsettled(sim.world) == []


def test_workers_change_as_many_at_once_as_the_spec_allows() -> None:
    """And not fewer: hundreds of them would take all day."""
    sim = Simulator(_built("vip").copy())
    sim.world.most_down.clear()
    for host in sim.world.spec.having(Role.WORKER):
        sim.world.hosts[host].write(at.CONTAINERD_CONFIG, "as an older kanae wrote it")
    sim.converge()
    assert sim.world.most_down["workers"] == 3  # a third of 11, rounded down
    assert sim.world.violations == []


def test_a_runtime_that_does_not_come_up_stops_the_others() -> None:
    """The gate is what the next host waits for, and it is one of the host's own."""
    sim = Simulator(_built("reference").copy())
    for host in sim.world.spec.nodes:
        sim.world.hosts[host].write(at.CONTAINERD_CONFIG, "as an older kanae wrote it")
    steps = sim.plan().by_id()
    order = ["server1", "server2", "server3"]
    for before, after in pairwise(order):
        assert f"{before}/runtime/api-ready" in steps[f"{after}/runtime/converge"].needs
    for host in order:
        needs = steps[f"{host}/runtime/api-ready"].needs
        assert needs == (f"{host}/runtime/kubelet-healthy",)
    # Workers come after the control plane, where a setting that is refused has stopped already.
    first = [id_ for id_ in steps if id_.endswith("runtime/converge")][3]
    assert "server3/runtime/api-ready" in steps[first].needs


def test_hosts_that_do_not_serve_are_repaired_together_before_others_are_touched() -> None:
    sim = Simulator(_built("reference").copy())
    broken = ("server1", "server2", "w0", "w1", "w2", "w3")
    for host in sim.world.spec.nodes:
        here = sim.world.hosts[host]
        here.write(at.CONTAINERD_CONFIG, "as an older kanae wrote it")
        if host in broken:
            here.stop(units.KUBELET)
            here.stop(units.CONTAINERD)
            here.pods.clear()
    steps = sim.plan().by_id()
    for host in broken:
        assert not steps[f"{host}/runtime/converge"].needs
    repaired = {f"{host}/runtime/converge" for host in broken}
    assert repaired <= set(steps["server3/runtime/converge"].needs)


# The hosts' own list, which of them may register as nodes, and on how many CoreDNS has a pod.
LISTS = {
    "file /var/lib/kanae/marks/hosts",
    f"validatingadmissionpolicies.admissionregistration.k8s.io {registration.NAME}",
    f"file {at.COREDNS_PATCH}",
    "deployments.apps kube-system/coredns",
}


@pytest.mark.parametrize(("name", "before", "after"), [("vip", 3, 5), ("dedicated-etcd", 3, 4)])
def test_an_added_control_plane_host_changes_of_others_only_what_lists_them(
    name: str, before: int, after: int
) -> None:
    """Balancers, and the hosts' own list; no API server, no etcd member, no certificate."""
    sim = Simulator(World.bare(Desk.of(example(name))))
    sim.converge()
    document = document_of(name)
    subnet = next(iter(document["hosts"].values()))["address"].rpartition(".")[0]
    new = [f"new{number}" for number in range(after - before)]
    for number, host in enumerate(new):
        address = f"{subnet}.{70 + number}"
        document["hosts"][host] = {"address": address, "roles": ["control-plane"]}
    old = {host: dict(sim.world.hosts[host].pods) for host in sim.world.spec.nodes}
    members = {host: sim.world.hosts[host].unit(units.ETCD).starts for host in sim.world.hosts}
    sim.world.edit(Spec.model_validate(document))
    assert len(sim.world.spec.having(Role.CONTROL_PLANE)) == after
    kinds: dict[str, set[str]] = {}
    for step in sim.plan():
        for change in step.changes:
            if step.host is not None and step.host not in new:
                kinds.setdefault(step.host, set()).add(f"{change.kind} {change.subject}")
    unit = units.balancer(name)
    for host, subjects in kinds.items():
        roles = sim.world.spec.hosts[host].roles
        allowed = LISTS if Role.CONTROL_PLANE in roles else set[str]()
        if Role.LOAD_BALANCER in roles:
            allowed |= {f"file {at.balancer_config(name)}", f"unit {unit}"}
        assert subjects <= allowed, host
    sim.converge()
    assert unsettled(sim.world) == []
    assert {host: sim.world.hosts[host].pods for host in old} == old
    assert {host: sim.world.hosts[host].unit(units.ETCD).starts for host in members} == members
    # And back.
    sim.world.edit(example(name))
    assert set(sim.plan().removes) == set(new)
    sim.converge()
    assert unsettled(sim.world) == []
    assert {host: sim.world.hosts[host].pods for host in old} == old
