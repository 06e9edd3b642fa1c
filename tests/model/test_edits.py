"""A living cluster and what is done to it: edits of the spec, changes by hand, and refusals."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from kanae import paths
from kanae.errors import Refused
from kanae.facts.model import BootSetting
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.actions import AwaitNodes
from kanae.render import registration
from kanae.spec.models import Role, Spec

from .fixtures import V2, Desk, bare, document_of, example
from .simulator import Moments, Simulator
from .world import World


def edited(name: str, change: Callable[[dict[str, Any]], None]) -> Spec:
    document = document_of(name)
    change(document)
    return Spec.model_validate(document)


def touched(sim: Simulator) -> dict[str, set[str]]:
    """Host -> kinds of what the plan changes there."""
    found: dict[str, set[str]] = {}
    for step in sim.plan():
        for change in step.changes:
            found.setdefault(step.host or "", set()).add(change.kind)
    return found


def _set(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update(fields)


def _host(name: str, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["hosts"][name].update(fields)


def _without_server4(document: dict[str, Any]) -> None:
    del document["hosts"]["server4"]


MASTERS = ("server1", "server2", "server3")
# Which hosts may register as nodes is said before one joins.
REGISTERED = [
    f"update validatingadmissionpolicies.admissionregistration.k8s.io {registration.NAME}"
]

# A node that takes CoreDNS gets a pod of its own.
DNS_PODS = "update deployments.apps kube-system/coredns"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            _set(loadBalancer={"kind": "nginx", "connectTimeout": "700ms"}),
            {"lb": {"file", "unit"}},
        ),
        (
            _host("server4", labels={"tier": "back"}),
            {"server1": {"label"}},
        ),
        (
            _set(apiServer={"extraArgs": {"max-requests-inflight": "500"}}),
            {"server1": {"config map", "control plane"}}
            | {host: {"control plane"} for host in MASTERS[1:]},
        ),
        (
            _set(kubelet={"maxPods": 99}),
            {"server1": {"config map", "kubelet"}}
            | {host: {"kubelet"} for host in (*MASTERS[1:], "server4")},
        ),
        (
            _host("server1", taints=[]),
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
    sim.world.edit(edited("reference", _set(apiServer={"extraArgs": {"v": "3"}})))
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
    assert {step.host for step in steps} == set(masters)
    for before, after in pairwise(steps):
        assert f"{before.host}/etcd/api-ready" in after.needs
    sim.converge()
    assert sim.world.violations == []


def test_balancers_that_run_are_restarted_one_at_a_time(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")
    unit = units.balancer("vip")
    for host in sim.world.spec.having(Role.LOAD_BALANCER):
        sim.world.hosts[host].write(f"{at.UNITS}/{unit}", "as an older kanae wrote it")
    first, second = [step for step in sim.plan() if step.id.endswith("balancer/converge")]
    assert first.id in second.needs


def changes(sim: Simulator) -> dict[str, list[str]]:
    """Step -> what it changes, in order."""
    return {
        step.id: [f"{each.verb.value} {each.kind} {each.subject}" for each in step.changes]
        for step in sim.plan()
    }


_NO_GATE = [
    f"delete unit {units.GATE}",
    f"delete file {at.GATE_SCRIPT}",
]
_NO_WATCH = [
    f"delete unit {units.watch('reference')}",
    f"delete file {at.watch_script('reference')}",
]


def test_with_haproxy_instead_of_nginx_the_gates_go_when_the_balancer_is_haproxy(
    built: Callable[[str], Simulator],
) -> None:
    """A gate before haproxy would cut its kept connections at an orderly shutdown."""
    sim = built("reference")
    unit = units.balancer("reference")
    sim.world.edit(edited("reference", _set(loadBalancer={"kind": "haproxy"})))
    assert changes(sim) == {
        "lb/system/converge": [
            "delete unit kanae-settings-reference.service",
            "delete file /etc/sysctl.d/90-kanae-reference.conf",
        ],
        "lb/packages/converge": ["create package haproxy"],
        "lb/balancer/converge": [
            "update file /etc/kanae/balancer-reference.cfg",
            f"update file {at.UNITS}/{unit}",
            f"run unit {unit}",
            *_NO_WATCH,
        ],
    } | {f"{host}/balancer/converge": _NO_GATE for host in MASTERS}
    steps = sim.plan().by_id()
    for host in MASTERS:
        assert "lb/balancer/converge" in steps[f"{host}/balancer/converge"].needs
    sim.converge()
    assert sim.world.violations == []
    for host in MASTERS:
        here = sim.world.hosts[host]
        assert not here.active(units.GATE)
        assert not here.has(at.GATE_SCRIPT)
        assert not here.has(at.GATE_UNIT)


def test_a_master_that_comes_restarts_gates_and_watch_of_the_others_and_nothing_else(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("reference")

    def add(document: dict[str, Any]) -> None:
        document["hosts"]["server6"] = {"address": "10.77.1.15", "roles": ["control-plane"]}

    sim.world.edit(edited("reference", add))
    found = changes(sim)
    for host in MASTERS:
        here = [change for step in found if step.startswith(f"{host}/") for change in found[step]]
        assert [change for change in here if change not in (*REGISTERED, DNS_PODS)] == [
            f"update file {marks.FOLDER}/hosts",
            f"update file {at.GATE_SCRIPT}",
            f"run unit {units.GATE}",
            f"update file {at.COREDNS_PATCH}",
        ]
    assert found["lb/balancer/converge"] == [
        f"update file {at.watch_script('reference')}",
        f"run unit {units.watch('reference')}",
    ]
    assert found["lb/backends/converge"] == [
        f"update file {at.balancer_config('reference')}",
        f"run unit {units.balancer('reference')}",
    ]
    sim.converge()
    assert sim.world.violations == []


def test_a_lone_master_has_no_gate_and_no_watch() -> None:
    def alone(document: dict[str, Any]) -> None:
        document["loadBalancer"] = {"kind": "nginx"}

    plan = Desk.of(edited("single", alone)).plan(bare(edited("single", alone)))
    judges = {units.GATE, units.watch("single")}
    assert not [c for step in plan.steps for c in step.changes if c.subject in judges]


def _gone(name: str) -> list[str]:
    """And what goes along with it."""
    kind = name.removesuffix("-vip")
    ending = "conf" if kind == "keepalived" else "cfg"
    gone = [f"delete unit kanae-{name}.service", f"delete file /etc/kanae/{name}.{ending}"]
    if kind == "keepalived":
        gone += ["delete unit kanae-tickle-vip.service", "delete file /etc/kanae/tickle-vip.pl"]
    return gone


def test_without_a_virtual_address_keepalived_goes_and_another_clusters_stays(
    built: Callable[[str], Simulator],
) -> None:
    def plain(document: dict[str, Any]) -> None:
        document["endpoint"] = {"address": document["hosts"]["lb1"]["address"]}
        del document["loadBalancer"]["virtualAddress"]

    def moving(document: dict[str, Any]) -> None:
        virtual = document["loadBalancer"]["virtualAddress"]
        plain(document)
        document["endpoint"]["former"] = [virtual | {"port": 6443, "vrrp": {"routerId": 51}}]

    sim = built("vip")
    balancers = sim.world.spec.having(Role.LOAD_BALANCER)
    others = units.keepalived("other")
    for host in balancers:
        here = sim.world.hosts[host]
        here.write(f"{at.UNITS}/{others}", "of another cluster")
        here.enable(others)
        here.start(others)
    sim.world.edit(edited("vip", moving))
    sim.converge()
    sim.world.edit(edited("vip", plain))
    gone = {id_: what for id_, what in changes(sim).items() if id_.endswith("/balancer/converge")}
    assert gone == {f"{host}/balancer/converge": _gone("keepalived-vip") for host in balancers}
    sim.converge()
    assert sim.world.violations == []
    assert all(sim.world.hosts[host].active(others) for host in balancers)


def test_a_host_that_is_no_balancer_any_more_gives_up_the_address_and_after_it_the_balancer(
    built: Callable[[str], Simulator],
) -> None:
    """Two hosts that hold one virtual address without knowing of each other are worse than none."""
    sim = built("vip")
    stays, leaves = sim.world.spec.having(Role.LOAD_BALANCER)
    sim.world.edit(edited("vip", _host(leaves, roles=["client"])))
    address, step = f"{leaves}/virtual-address/converge", f"{leaves}/balancer/converge"
    assert changes(sim)[address] == _gone("keepalived-vip")
    assert changes(sim)[step] == _gone("balancer-vip")
    assert f"{stays}/balancer/converge" in sim.plan().by_id()[step].needs
    sim.converge()
    assert sim.world.violations == []


def test_gates_that_an_interrupted_run_has_taken_away_in_part_go_with_the_next(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("reference")
    sim.world.edit(edited("reference", _set(loadBalancer={"kind": "haproxy"})))
    halves: list[World] = []
    sim.carry_out(sim.plan(), Moments(seen=lambda _: halves.append(sim.world.copy())))
    assert len(halves) > len(MASTERS) * len(_NO_GATE)
    for half in halves:
        Simulator(half).converge()
        assert half.violations == []
        assert not any(half.hosts[host].has(at.GATE_UNIT) for host in MASTERS)


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
    # Nor is any other node waited for.
    awaited = [step.action for step in sim.plan() if isinstance(step.action, AwaitNodes)]
    assert awaited == [AwaitNodes(("extra",))]
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


def test_half_a_reset_is_not_built_upon(built: Callable[[str], Simulator]) -> None:
    sim = built("reference")
    sim.world.hosts["server2"].mark(marks.RESETTING)
    with pytest.raises(Refused, match="a reset of reference was interrupted"):
        sim.plan()


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
        (_set(kubernetes="v1.36.3"), _no_harm, "Kubernetes cannot go back: server1 runs v1.37.2"),
        (
            _set(networks={"pods": "10.200.0.0/16"}),
            _no_harm,
            "the pod network of a living cluster cannot be changed "
            "(10.244.0.0/16 -> 10.200.0.0/16): this is not built yet\n"
            "  remedy: set networks.pods to what it was: 10.244.0.0/16",
        ),
        (
            _set(networks={"dnsDomain": "k8s.example"}),
            _no_harm,
            "the DNS domain of a living cluster cannot be changed (cluster.local -> k8s.example)",
        ),
        (_set(endpoint={"port": 6441}), _no_harm, "the endpoint cannot be moved"),
        (_set(), _other_owner, "belongs to the cluster 'other'"),
        (_set(), _lost_authority, "no reachable host holds"),
        (_set(), _lost_member, "lost the data of its etcd member"),
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
        (_set(kubernetes="v1.36.3"), "Kubernetes cannot go back: server1 runs v1.37.2"),
        (_without_server4, "server4 (worker at 10.77.1.13) cannot leave the cluster while no API"),
        (_set(networks={"pods": "10.200.0.0/16"}), "the pod network"),
        (_set(networks={"services": "10.201.0.0/16"}), "the service network"),
        (_set(endpoint={"port": 6441}), "the endpoint cannot be changed while no API"),
        (_host("server2", address="10.77.1.99"), "the address of server2 cannot be changed"),
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


def test_a_reset_takes_the_folder_of_etcd_that_is_in_use(
    built: Callable[[str], Simulator],
) -> None:
    """With a spec that was edited and refused, and again when the reset was cut off."""
    for name, host in (("vip", "master1"), ("reference", "server1")):
        sim = built(name)
        sim.world.edit(edited(name, _set(etcd={"dataDir": "/data/other"})))
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
