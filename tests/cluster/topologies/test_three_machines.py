"""Three machines that are everything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from made import Cluster
from replacing import replaced
from seen import (
    KUBECTL,
    endpoint_answers,
    kubeadm_is_content,
    ready_nodes,
    traffic_flows,
    voters,
    whole,
)

pytestmark = pytest.mark.lab

ADDRESS = "10.78.5.100"


@pytest.fixture(scope="module")
def cluster(built: Callable[[str, int], Cluster]) -> Cluster:
    return built("three-machines", 5)


def test_they_survive_the_loss_of_one(cluster: Cluster) -> None:
    nodes = ("node1", "node2", "node3")
    assert ready_nodes(cluster, "node1") == set(nodes)
    assert set(voters(cluster, "node1")) == set(nodes)
    assert f"{ADDRESS}:6440" in endpoint_answers(cluster, "node1")
    traffic_flows(cluster, "node1", "node2", "node3")
    cluster.kanae("lab", "power-cut", "node3", "--lab", cluster.name)
    endpoint_answers(cluster, "node1")
    cluster.on("node1", f"{KUBECTL} create configmap survives --from-literal=a=b")
    cluster.kanae("lab", "power-on", "node3", "--lab", cluster.name)
    whole(cluster, "node3", set(nodes), set(nodes), "node3")


def test_the_one_with_the_virtual_address_is_replaced(cluster: Cluster) -> None:
    nodes = {"node1", "node2", "node3"}
    holder = next(node for node in sorted(nodes) if ADDRESS in cluster.on(node, "hostname -I"))
    replaced(cluster, holder)
    whole(cluster, holder, nodes, nodes, holder)
    endpoint_answers(cluster, holder)
    kubeadm_is_content(cluster, holder)
