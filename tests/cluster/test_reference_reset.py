"""The end of the reference's cluster: taken off its hosts, built again, taken off for good."""

from __future__ import annotations

import pytest
from made import MASTERS, NODES, Cluster, kubectl_json, listening

pytestmark = pytest.mark.lab


def test_reset_takes_it_off_and_a_second_apply_builds_it_again(cluster: Cluster) -> None:
    uid = kubectl_json(cluster, "get namespace kube-system")["metadata"]["uid"]
    refused = cluster.kanae("reset", str(cluster.spec), status=None)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    cluster.kanae("reset", str(cluster.spec), "--yes", "--keep-artifacts")
    for host in MASTERS:
        left = cluster.on(
            host, "ls -A /etc/kubernetes /etc/kanae /var/lib/etcd 2>/dev/null || true"
        )
        assert not [line for line in left.split() if not line.endswith(":")]
        open_ports = set(listening(cluster, host))
        assert not open_ports & {2379, 2380, 6443, 10250, 10257, 10259}
    cluster.apply()
    assert kubectl_json(cluster, "get namespace kube-system")["metadata"]["uid"] != uid
    assert cluster.plan() == []
    cluster.kanae("reset", str(cluster.spec), "--yes")
    for host in NODES:
        assert not cluster.on(host, "find /usr/local/bin /opt/cni -type f 2>/dev/null || true")
