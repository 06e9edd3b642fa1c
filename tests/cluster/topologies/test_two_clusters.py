"""Two clusters behind one balancer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from made import Cluster
from seen import endpoint_answers, get

pytestmark = pytest.mark.lab


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
