"""Two balancers share an address in front of three masters with stacked etcd."""

from __future__ import annotations

import re
import shlex
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest
from made import Cluster, Running, until
from replacing import dead, replaced, replacement
from seen import (
    endpoint_answers,
    get,
    kubeadm_is_content,
    ready_nodes,
    servers,
    traffic_flows,
    voters,
    whole,
)

pytestmark = pytest.mark.lab

# Where one `kanae replace` of master1 is killed, in the order in which its runs come there.
KILLS = (
    ("step-started", "lb1/balancer/converge"),
    ("step-started", "master2/departure/member-master1"),
    ("step-started", "master2/departure/converge"),
    ("step-ended", "master1/system/converge"),
    ("step-started", "master1/images/converge"),
    ("step-started", "master1/control-plane/join"),
)


ADDRESS = "10.78.2.100"
MASTERS = {"master1", "master2", "master3"}
NODES = MASTERS | {"worker1", "worker2"}
SERVICE = "https://10.96.0.1:443"


@pytest.fixture(scope="module")
def cluster(built: Callable[[str, int], Cluster]) -> Cluster:
    return built("vip", 2)


def holder_of(cluster: Cluster) -> str:
    return next(lb for lb in ("lb1", "lb2") if ADDRESS in cluster.on(lb, "hostname -I"))


def test_one_balancer_may_go(cluster: Cluster) -> None:
    assert ready_nodes(cluster, "master1") == NODES
    assert set(voters(cluster, "master1")) == MASTERS
    assert ADDRESS in endpoint_answers(cluster, "master1")
    traffic_flows(cluster, "master1", "worker1", "worker2")
    holder = holder_of(cluster)
    cluster.kanae("lab", "power-cut", holder, "--lab", cluster.name)
    endpoint_answers(cluster, "master1")
    cluster.kanae("lab", "power-on", holder, "--lab", cluster.name)
    assert cluster.plan() == []


def test_the_dead_first_master_is_replaced_by_a_run_that_is_killed_six_times(
    cluster: Cluster,
) -> None:
    dead(cluster, "master1")
    command = replacement(cluster, "master1")
    for record, step in KILLS:
        with Running(cluster, *command) as running:
            running.wait_for(record, step)
    cluster.kanae(*command)
    whole(cluster, "master2", NODES, MASTERS, "master1")
    kubeadm_is_content(cluster, "master1")


def test_the_balancer_with_the_address_is_replaced_and_then_the_other_may_go(
    cluster: Cluster,
) -> None:
    holder = holder_of(cluster)
    replaced(cluster, holder)
    whole(cluster, "master1", NODES, MASTERS, "master2")
    other = "lb2" if holder == "lb1" else "lb1"
    cluster.kanae("lab", "power-cut", other, "--lab", cluster.name)
    until(lambda: ADDRESS in cluster.on(holder, "hostname -I"), f"{ADDRESS} on {holder}")
    endpoint_answers(cluster, "master3")
    cluster.kanae("lab", "power-on", other, "--lab", cluster.name)


def test_a_dead_worker_is_replaced(cluster: Cluster) -> None:
    replaced(cluster, "worker1")
    whole(cluster, "master1", NODES, MASTERS, "master2")


def test_a_living_master_moves_to_another_machine(cluster: Cluster) -> None:
    address = "10.78.2.30"
    cluster.edit(r"^(  master3: .*)$", rf"\1\n  spare: {{address: {address}, roles: [worker]}}")
    cluster.kanae("lab", "up", str(cluster.spec))
    cluster.edit(r"^  spare: .*\n", "")
    there = f"spare={address}"
    cluster.kanae("replace", "master3", str(cluster.spec), "--with", there, "--yes")
    nodes, masters = (each - {"master3"} | {"spare"} for each in (NODES, MASTERS))
    whole(cluster, "master1", nodes, masters, "spare")


def behind(cluster: Cluster) -> set[tuple[str, int]]:
    """Who is behind the Service `kubernetes`, by both objects."""
    slice_ = get(cluster, "master1", "endpointslices.discovery.k8s.io kubernetes")
    (port,) = slice_["ports"]
    found = {
        (address, int(port["port"]))
        for each in slice_["endpoints"]
        for address in each["addresses"]
    }
    (subset,) = get(cluster, "master1", "endpoints kubernetes")["subsets"]
    assert found == {(each["ip"], subset["ports"][0]["port"]) for each in subset["addresses"]}
    return found


@contextmanager
def asked(cluster: Cluster, host: str, url: str, what: str = "readyz") -> Generator[None]:
    """It is asked from a host five times a second, and has to answer within 3 s each time. what: an
    API server that is told to stop answers, and is not ready."""
    once = f"curl -sfk -m 3 -o /dev/null -w '%{{http_code}} %{{time_total}}\\n' {url}/{what}"
    loop = f"while sleep 0.2; do {once} || true; done"
    unit = f"asked-{uuid.uuid4()}"
    cluster.on(host, f"systemd-run -q --unit={unit} sh -c {shlex.quote(loop)}")
    yield
    cluster.on(host, f"systemctl stop {unit}")
    told = cluster.on(host, f"journalctl -q -o cat -u {unit}").splitlines()
    answers = [line for line in told if re.fullmatch(r"\d{3} [\d.]+", line)]
    assert len(answers) > 10, told
    assert [each for each in answers if not each.startswith("200 ")] == [], url


def test_pods_are_led_to_the_masters_and_back(cluster: Cluster) -> None:
    planes = {
        address["address"]
        for node in get(cluster, "master1", "nodes")["items"]
        if "node-role.kubernetes.io/control-plane" in node["metadata"]["labels"]
        for address in node["status"]["addresses"]
        if address["type"] == "InternalIP"
    }
    assert behind(cluster) == {(ADDRESS, 6443)}
    cluster.edit(r"^(loadBalancer:)$", r"endpoint: {inCluster: masters}\n\1")
    with asked(cluster, "worker1", SERVICE, "version"):
        cluster.apply()
    until(lambda: behind(cluster) == {(each, 6443) for each in planes}, "masters alone")
    assert cluster.plan() == []
    cluster.edit(r"^endpoint: .*\n", "")
    with asked(cluster, "worker1", SERVICE, "version"):
        cluster.apply()
    assert behind(cluster) == {(ADDRESS, 6443)}
    assert cluster.plan() == []


def test_the_endpoint_moves_to_another_address_and_port_and_then_to_a_plain_one(
    cluster: Cluster,
) -> None:
    nodes, masters = ready_nodes(cluster, "master1"), set(voters(cluster, "master1"))
    first, second = f"https://{ADDRESS}:6443", f"https://{ADDRESS[:-1]}1:6440"
    third = "https://10.78.2.8:6440"
    cluster.edit(rf"\{{address: {ADDRESS}\}}", f"{{address: {ADDRESS[:-1]}1, routerId: 52}}")
    cluster.edit(r"^(loadBalancer:)$", r"endpoint: {port: 6440}\n\1")
    refused = cluster.kanae("plan", str(cluster.spec), status=5).stderr
    line = f"[{{address: {ADDRESS}, port: 6443, vrrp: {{routerId: 51}}}}]"
    assert line in " ".join(refused.split()), refused
    cluster.edit(r"\{port: 6440\}", f"{{port: 6440, former: {line}}}")
    with asked(cluster, "worker1", first), asked(cluster, "worker2", SERVICE, "version"):
        cluster.apply()
    assert behind(cluster) == {(f"{ADDRESS[:-1]}1", 6440)}
    whole(cluster, "master1", nodes, masters, "master2")
    assert servers(cluster, "master1", sorted(nodes)) == {second}
    assert cluster.on("worker1", f"curl -sfk {first}/readyz") == "ok"
    holder = holder_of(cluster)
    cluster.edit(r", former: \[.*\]", "")
    with asked(cluster, "worker2", second), asked(cluster, "worker1", SERVICE, "version"):
        cluster.apply()
    whole(cluster, "master1", nodes, masters, "master2")
    assert cluster.on("worker1", f"curl -sk -m 2 {first}/readyz", status=None) == ""
    assert f"{ADDRESS} " not in cluster.on(holder, "hostname -I")

    vrrp = f"{{address: {ADDRESS[:-1]}1, port: 6440, vrrp: {{routerId: 52}}}}"
    cluster.edit(r"^  virtualAddress: .*\n", "")
    cluster.edit(r"\{port: 6440\}", f"{{port: 6440, address: 10.78.2.8, former: [{vrrp}]}}")
    with asked(cluster, "worker1", second), asked(cluster, "worker2", SERVICE, "version"):
        cluster.apply()
    assert behind(cluster) == {("10.78.2.8", 6440)}
    assert servers(cluster, "master1", sorted(nodes)) == {third}
    cluster.edit(r", former: \[.*\]", "")
    cluster.edit(r"^  lb2: .*\n", "")
    with asked(cluster, "worker2", third), asked(cluster, "worker1", SERVICE, "version"):
        cluster.apply("--remove", "lb2")
    whole(cluster, "master1", nodes, masters, "master2")
    for balancer in ("lb1", "lb2"):
        units = "systemctl list-units --all --no-legend 'kanae-keepalived*'"
        assert cluster.on(balancer, units) == ""
    kubeadm_is_content(cluster, "master1")
