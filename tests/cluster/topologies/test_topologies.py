"""Every topology of examples/, built on real hosts and looked at. `make topologies` runs these."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from drilled import assert_nothing_broken, assert_proven, drill
from made import WORKLOAD, Cluster
from seen import KUBECTL, endpoint_answers, get, ready_nodes, voters

pytestmark = pytest.mark.lab

Make = Callable[..., Cluster]


@contextmanager
def built(make: Make, example: str, third: int) -> Generator[Cluster]:
    """The cluster of an example, taken down at the end so that the next has the machine."""
    cluster = make(example, third)
    cluster.apply()
    assert cluster.plan() == [], "a second apply would find something to do"
    yield cluster
    cluster.kanae("lab", "down", cluster.name, "--yes")


def traffic_flows(cluster: Cluster, master: str, one: str, other: str) -> None:
    """A pod on `one` reaches a pod on `other` by service name."""
    pods = [(f"web-{one}", one), (f"ask-{other}", other)]
    items: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "nodeName": node,
                "tolerations": [{"operator": "Exists"}],
                "containers": [
                    {"name": "main", "image": WORKLOAD, "imagePullPolicy": "Never"},
                ],
            },
        }
        for name, node in pods
    ]
    items.append(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"web-{one}"},
            "spec": {
                "selector": {"app": f"web-{one}"},
                "ports": [{"port": 80, "targetPort": 8080}],
            },
        }
    )
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    cluster.on(master, f"{KUBECTL} apply -f - <<'EOF'\n{objects}\nEOF")
    names = " ".join(f"pod/{name}" for name, _ in pods)
    cluster.on(master, f"{KUBECTL} wait --for=condition=Ready {names} --timeout=120s")
    asked = cluster.in_time(
        master,
        f"{KUBECTL} exec ask-{other} -- /workload get http://web-{one}.default.svc.cluster.local/",
    )
    assert asked.strip() == f"web-{one}"


def test_two_balancers_share_an_address_and_one_may_go(made_cluster: Make) -> None:
    with built(made_cluster, "vip", 2) as cluster:
        masters = ("master1", "master2", "master3")
        assert ready_nodes(cluster, "master1") == {*masters, "worker1", "worker2"}
        assert set(voters(cluster, "master1")) == set(masters)
        assert "10.78.2.100" in endpoint_answers(cluster, "master1")
        traffic_flows(cluster, "master1", "worker1", "worker2")
        holder = next(lb for lb in ("lb1", "lb2") if "10.78.2.100" in cluster.on(lb, "hostname -I"))
        cluster.kanae("lab", "power-cut", holder, "--lab", cluster.name)
        endpoint_answers(cluster, "master1")
        cluster.kanae("lab", "power-on", holder, "--lab", cluster.name)
        assert cluster.plan() == []


def test_etcd_on_hosts_of_its_own(made_cluster: Make) -> None:
    with built(made_cluster, "dedicated-etcd", 3) as cluster:
        masters = ("master1", "master2", "master3")
        assert ready_nodes(cluster, "master1") == {*masters, "worker1"}
        assert set(voters(cluster, "etcd1")) == {"etcd1", "etcd2", "etcd3"}
        assert all("etcd" not in cluster.on(m, "ls /etc/kubernetes/manifests") for m in masters)
        preferred = {
            cluster.on(m, "grep -m1 -E '^ *server ' /etc/kanae/etcd-balancer.cfg").split()[2]
            for m in masters
        }
        assert len(preferred) == 3
        traffic_flows(cluster, "master1", "worker1", "master2")


def test_a_single_host_is_control_plane_and_worker_and_drills_say_that_it_is_too_few(
    made_cluster: Make, thresholds: Path
) -> None:
    with built(made_cluster, "single", 4) as cluster:
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


def test_three_machines_that_are_everything_survive_the_loss_of_one(made_cluster: Make) -> None:
    with built(made_cluster, "three-machines", 5) as cluster:
        nodes = ("node1", "node2", "node3")
        assert ready_nodes(cluster, "node1") == set(nodes)
        assert set(voters(cluster, "node1")) == set(nodes)
        assert "10.78.5.100:6440" in endpoint_answers(cluster, "node1")
        traffic_flows(cluster, "node1", "node2", "node3")
        cluster.kanae("lab", "power-cut", "node3", "--lab", cluster.name)
        endpoint_answers(cluster, "node1")
        cluster.on("node1", f"{KUBECTL} create configmap survives --from-literal=a=b")
        cluster.kanae("lab", "power-on", "node3", "--lab", cluster.name)


def test_two_clusters_behind_one_balancer_do_not_disturb_each_other(
    made_clusters: Callable[..., list[Cluster]],
) -> None:
    first, second = made_clusters(("two-clusters-a", "two-clusters-b"), 6)
    first.apply()
    balancer = f"systemctl show -P MainPID kanae-balancer-{first.name}.service"
    before = first.on("lb", balancer)
    second.apply()
    assert first.plan() == []
    assert second.plan() == []
    assert first.on("lb", balancer) == before
    assert endpoint_answers(first, "a1").endswith(":6443")
    assert endpoint_answers(second, "b1").endswith(":6440")
    uids = {
        get(each, host, "namespace kube-system")["metadata"]["uid"]
        for each, host in ((first, "a1"), (second, "b1"))
    }
    assert len(uids) == 2
    first.kanae("reset", str(first.spec), "--yes")
    assert first.on("lb", "ls /etc/kanae").split() == [f"balancer-{second.name}.cfg"]
    endpoint_answers(second, "b1")
    assert second.plan() == []
