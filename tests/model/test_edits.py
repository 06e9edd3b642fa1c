"""A living cluster and what is done to it: edits of the spec, and changes by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from kanae import paths
from kanae.facts.model import BootSetting
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.spec.models import Role, Spec

from .edits import DNS_PODS, MASTERS, REGISTERED, changes, edited, on_host, put, touched
from .fixtures import V2, Desk, bare, example
from .simulator import Simulator
from .world import World


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            put(loadBalancer={"kind": "nginx", "connectTimeout": "700ms"}),
            {"lb": {"file", "unit"}},
        ),
        (
            on_host("server4", labels={"tier": "back"}),
            {"server1": {"label"}},
        ),
        (
            put(apiServer={"extraArgs": {"max-requests-inflight": "500"}}),
            {"server1": {"config map", "control plane"}}
            | {host: {"control plane"} for host in MASTERS[1:]},
        ),
        (
            put(kubelet={"maxPods": 99}),
            {"server1": {"config map", "kubelet"}}
            | {host: {"kubelet"} for host in (*MASTERS[1:], "server4")},
        ),
        (
            on_host("server1", taints=[]),
            {"server1": {"taints"}},
        ),
    ],
    ids=["balancer", "label", "api-server", "kubelet", "taints"],
)
def test_an_edit_changes_what_it_must_and_no_more(
    built: Callable[[str], Simulator],
    change: Callable[[dict[str, Any]], None],
    expected: dict[str, set[str]],
) -> None:
    sim = built("reference")
    sim.world.edit(edited("reference", change))
    assert touched(sim) == expected
    sim.converge()
    assert sim.world.violations == []


@pytest.mark.parametrize(
    ("name", "host", "path"),
    [
        ("three-machines", "node1", f"{at.MANIFESTS}/etcd.yaml"),
        ("reference", "server4", at.KUBELET_FLAGS),
    ],
)
def test_what_kubeadm_writes_once_is_compared_too(
    built: Callable[[str], Simulator], name: str, host: str, path: str
) -> None:
    sim = built(name)
    here = sim.world.hosts[host]
    if not here.has(path):
        here.write(path, "as kubeadm wrote it")
        here.mark(marks.KUBELET, here.text(f"{marks.FOLDER}/{marks.KUBELET}") + here.recorded(path))
    assert not [note for note in sim.plan().notes if path in note]
    here.write(path, "edited")
    assert [note for note in sim.plan().notes if f"{host}: {path} was edited by hand" in note]
    here.remove(path)
    assert [note for note in sim.plan().notes if f"{host}: {path} is missing" in note]


def test_a_kubelet_without_its_credentials_is_told(built: Callable[[str], Simulator]) -> None:
    sim = built("reference")
    sim.world.hosts["server4"].remove(at.KUBELET_CONF)
    assert [note for note in sim.plan().notes if "kubelet.conf is missing" in note]


def test_api_servers_are_changed_one_at_a_time(built: Callable[[str], Simulator]) -> None:
    sim = built("reference")
    sim.world.edit(edited("reference", put(apiServer={"extraArgs": {"v": "3"}})))
    steps = [step for step in sim.plan() if step.id.endswith("control-plane/reconfigure")]
    assert [step.host for step in steps] == list(MASTERS)
    for before, after in pairwise(steps):
        assert f"{before.host}/control-plane/ready" in after.needs


@pytest.mark.parametrize("name", ["reference", "dedicated-etcd"])
def test_etcd_balancers_are_restarted_one_at_a_time(
    built: Callable[[str], Simulator], name: str
) -> None:
    sim = built(name)
    masters = sim.world.spec.having(Role.CONTROL_PLANE)
    for host in masters:
        sim.world.hosts[host].write(at.ETCD_BALANCER_UNIT, "as an older kanae wrote it")
    steps = [step for step in sim.plan() if step.id.endswith("etcd/converge")]
    assert [step.host for step in steps] == list(masters)
    for before, after in pairwise(steps):
        assert f"{before.host}/etcd/api-ready" in after.needs
    sim.converge()
    assert sim.world.violations == []


def test_members_that_stopped_are_started_together_before_one_that_runs_is_touched(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("reference")
    for host in MASTERS[:2]:
        sim.world.hosts[host].stop(units.ETCD)
    sim.world.hosts["server3"].write(at.ETCD_UNIT, "as an older kanae wrote it")
    steps = sim.plan().by_id()
    assert not steps["server2/etcd/converge"].needs
    assert "server1/etcd/started" in steps["server3/etcd/converge"].needs
    sim.world.quorate = False
    sim.converge()


@pytest.mark.parametrize("name", ["vip", "reference"])
def test_an_added_worker_is_all_that_changes(built: Callable[[str], Simulator], name: str) -> None:
    def add(document: dict[str, Any]) -> None:
        subnet = next(iter(document["hosts"].values()))["address"].rpartition(".")[0]
        document["hosts"]["extra"] = {"address": f"{subnet}.77", "roles": ["worker"]}

    sim = built(name)
    sim.world.edit(edited(name, add))
    sim.world.add_host("extra")
    masters = sim.world.spec.having(Role.CONTROL_PLANE)
    own_list = [f"update file {marks.path(marks.HOSTS)}"]
    listed = {f"{host}/system/converge": own_list for host in masters}
    registered = f"{masters[0]}/registration/apply"
    others = {id_: what for id_, what in changes(sim).items() if not id_.startswith("extra/")}
    dns = {f"{host}/kubernetes/converge": [f"update file {at.COREDNS_PATCH}"] for host in masters}
    dns[f"{masters[0]}/add-ons/coredns"] = [DNS_PODS]
    wanted = listed | {registered: REGISTERED} | dns
    assert {id_: what for id_, what in others.items() if what} == wanted
    # The cluster knows the host before anything is done there.
    assert set(listed) <= set(sim.plan().by_id()["extra/system/converge"].needs)
    assert registered in sim.plan().by_id()["extra/workers/join"].needs
    sim.world.forget()
    sim.converge()
    assert "extra" in sim.world.nodes
    assert set(sim.world.restarts()) == {"extra"}


def _edited_balancer(world: World) -> None:
    world.hosts["lb"].write("/etc/kanae/balancer-reference.cfg", "edited")


def _stopped_kubelet(world: World) -> None:
    world.hosts["server4"].stop(units.KUBELET)


def _replaced_kubelet(world: World) -> None:
    world.hosts["server2"].write(f"{at.BIN}/kubelet", "other", 0o755)


def _deleted_unit(world: World) -> None:
    world.hosts["server3"].remove(at.ETCD_BALANCER_UNIT)


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (_edited_balancer, {"lb": {"file", "unit"}}),
        (_stopped_kubelet, {"server4": {"unit"}}),
        (_replaced_kubelet, {"server2": {"binary", "unit"}}),
        (_deleted_unit, {"server3": {"file", "unit"}}),
    ],
    ids=["edited balancer", "stopped kubelet", "replaced kubelet", "deleted unit"],
)
def test_a_change_by_hand_is_seen_and_repaired_alone(
    built: Callable[[str], Simulator],
    harm: Callable[[World], None],
    expected: dict[str, set[str]],
) -> None:
    sim = built("reference")
    harm(sim.world)
    assert touched(sim) == expected
    sim.converge()


def test_nothing_is_said_to_be_missing_while_no_api_server_answers(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("reference")
    for host in ("server2", "server3"):
        sim.world.hosts[host].power_cut()
    sim.world.hosts["server1"].stop(units.ETCD)
    assert touched(sim) == {"server1": {"unit"}}
    assert any("no API server answers" in note for note in sim.plan().notes)


def test_a_host_joins_only_when_the_clusters_configuration_is_the_new_one(
    built: Callable[[str], Simulator],
) -> None:
    def change(document: dict[str, Any]) -> None:
        document["kubelet"] = {"maxPods": 99}
        document["hosts"]["extra"] = {"address": "10.77.1.77", "roles": ["worker"]}

    sim = built("reference")
    sim.world.edit(edited("reference", change))
    steps = {step.id: step for step in sim.plan()}
    reached: set[str] = set()
    todo = ["extra/workers/join"]
    while todo:
        step = steps[todo.pop()]
        reached.add(step.id)
        todo += step.needs
    assert "server1/control-plane/upload-config" in reached


def test_swap_goes_off_where_the_policy_says_so() -> None:
    swapping = replace(V2, swap=2**30)
    for policy, expected in (("off", {"a"}), ("refuse", set[str]())):
        spec = Spec.model_validate(
            {
                "name": "c",
                "kubernetes": "v1.37.2",
                "policies": {"swap": policy},
                "hosts": {"a": {"address": "10.0.0.1", "roles": ["control-plane", "worker"]}},
            }
        )
        plan = Desk.of(spec).plan(bare(spec, swapping))
        assert {s.host for s in plan if any(c.kind == "swap" for c in s.changes)} == expected


def test_what_is_fixed_is_kept_only_once_the_cluster_was_asked(
    built: Callable[[str], Simulator],
) -> None:
    """By a cluster that was built before hosts kept it."""
    sim = built("reference")
    path = marks.path(marks.FIXED)
    for host in MASTERS:
        sim.world.hosts[host].remove(path)
    for host in MASTERS:
        sim.world.hosts[host].stop(units.ETCD)
    assert not any(path in change for each in changes(sim).values() for change in each)
    for host in MASTERS:
        sim.world.hosts[host].start(units.ETCD)
    assert changes(sim) == {f"{host}/system/converge": [f"create file {path}"] for host in MASTERS}


SECRET = re.compile(r"PRIVATE KEY|\b[a-z0-9]{6}\.[a-z0-9]{16}\b")


def test_no_secret_is_in_the_journal_of_a_whole_run(
    built: Callable[[str], Simulator],
) -> None:
    sim = Simulator(World.bare(Desk.of(example("reference"))))
    sim.converge()
    journals = list((paths.cluster_dir("reference") / "journal").glob("*.jsonl"))
    assert journals
    for journal in journals:
        assert journal.stat().st_mode & 0o777 == 0o600
        assert not SECRET.search(journal.read_text())


def test_what_another_file_changes_at_the_next_boot_is_noted() -> None:
    spec = example("reference")
    facts = bare(spec)
    theirs = BootSetting("0", "/etc/sysctl.d/99-hardening.conf")
    host = replace(facts.hosts["server4"], boot_sysctls={"net.ipv4.ip_forward": theirs})
    plan = Desk.of(spec).plan(replace(facts, hosts={**facts.hosts, "server4": host}))
    assert plan.notes == (
        "server4: /etc/sysctl.d/99-hardening.conf sets net.ipv4.ip_forward to 0 at boot, which "
        "kanae-settings-reference.service sets back to 1",
    )
