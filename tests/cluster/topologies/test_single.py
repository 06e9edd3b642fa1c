"""One host that is everything, too few for drills, grows to three, to five and shrinks to three."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from drilled import assert_nothing_broken, assert_proven, drill
from made import Cluster, until
from seen import (
    KUBECTL,
    endpoint_answers,
    get,
    kubeadm_is_content,
    ready_nodes,
    servers,
    traffic_flows,
    whole,
)

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def cluster(built: Callable[[str, int], Cluster]) -> Cluster:
    return built("single", 4)


def test_it_is_control_plane_and_worker_and_drills_say_that_it_is_too_few(
    cluster: Cluster, thresholds: Path
) -> None:
    assert ready_nodes(cluster, "only") == {"only"}
    traffic_flows(cluster, "only", "only", "only")
    for name, felt, signs in (
        ("power-cut", "new.any.gap", ("silence", "boot")),
        ("partition", "any.any.failed-seconds", ("silence",)),
    ):
        refused = ("drill", "run", name, str(cluster.spec), "--yes")
        assert "no API server would be left" in cluster.kanae(*refused, status=5).stderr
        run = drill(cluster, name, "only", thresholds, 40, "--accept-outage")
        assert run["result"] == "failed"
        reasons = " ".join(run["reasons"])
        assert f"{felt} is " in reasons, reasons
        assert_nothing_broken(run, {"only"})
        assert_proven(run, "only", *signs)
    assert cluster.plan() == []


def test_it_grows_to_three_and_five_and_shrinks_to_three_without_the_first(
    cluster: Cluster,
) -> None:
    (subnet,) = re.findall(r"only: *\{address: ([\d.]+)\.10,", cluster.spec.read_text())
    old, new = f"https://{subnet}.10:6443", f"https://{subnet}.100:6440"
    assert endpoint_answers(cluster, "only") == old

    def host(number: int, *roles: str) -> str:
        return f"  node{number}: {{address: {subnet}.1{number}, roles: [{', '.join(roles)}]}}"

    everything = ("control-plane", "worker", "load-balancer")
    three = "\n".join(host(number, *everything) for number in (2, 3))
    cluster.edit(r"^(  only: .*), worker\]\}$", rf"\1, worker, load-balancer]}}\n{three}")
    virtual = f"{{virtualAddress: {{address: {subnet}.100}}}}"
    cluster.edit(r"^(kubernetes: .*)$", rf"\1\nendpoint: {{port: 6440}}\nloadBalancer: {virtual}")
    cluster.kanae("lab", "up", str(cluster.spec))
    cluster.apply()
    names = {"only", "node2", "node3"}
    whole(cluster, "node2", names, names, "node2")
    assert servers(cluster, "node2", sorted(names)) == {new}
    assert endpoint_answers(cluster, "node3") == new
    assert cluster.on("node2", f"curl -sk {old}/readyz") == "ok"
    kubeadm_is_content(cluster, "node2")

    cluster.kanae("lab", "power-cut", "only", "--lab", cluster.name)
    until(lambda: cluster.on("node2", f"curl -sk -m 2 {new}/readyz", status=None) == "ok", new, 15)
    cluster.on("node2", f"{KUBECTL} create configmap survives --from-literal=a=b")
    cluster.kanae("lab", "power-on", "only", "--lab", cluster.name)
    until(lambda: ready_nodes(cluster, "node2") == names, "the first one to come back")

    five = "\n".join(host(number, "control-plane", "worker") for number in (4, 5))
    cluster.edit(r"^(  node3: .*)$", rf"\1\n{five}")
    cluster.kanae("lab", "up", str(cluster.spec))
    cluster.apply()
    names |= {"node4", "node5"}
    whole(cluster, "node3", names, names, "node3")

    cluster.edit(r"^  (only|node5): .*\n", "")
    cluster.apply("--remove", "only", "--remove", "node5")
    names -= {"only", "node5"}
    whole(cluster, "node2", names, names, "node2")
    assert servers(cluster, "node2", sorted(names)) == {new}
    kubeadm_is_content(cluster, "node4")
    get(cluster, "node4", "configmap survives")
    for gone in ("only", "node5"):
        left = "ls -A /etc/kubernetes /etc/kanae /var/lib/etcd /var/lib/kubelet 2>/dev/null; true"
        assert not [line for line in cluster.on(gone, left).split() if not line.endswith(":")]
