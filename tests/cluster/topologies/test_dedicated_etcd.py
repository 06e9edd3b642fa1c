"""Etcd on hosts of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from made import Cluster
from replacing import replaced
from seen import kubeadm_is_content, ready_nodes, traffic_flows, voters, whole

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def cluster(built: Callable[[str, int], Cluster]) -> Cluster:
    return built("dedicated-etcd", 3)


def test_masters_have_no_member_and_prefer_different_ones(cluster: Cluster) -> None:
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


@pytest.mark.parametrize("host", ["etcd1", "master1"])
def test_a_dead_one_is_replaced(cluster: Cluster, host: str) -> None:
    replaced(cluster, host)
    nodes = {"master1", "master2", "master3", "worker1"}
    whole(cluster, "master2", nodes, {"etcd1", "etcd2", "etcd3"}, "etcd1")
    kubeadm_is_content(cluster, "master1")
