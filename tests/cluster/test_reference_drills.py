"""Rows 12 and 13 of the reference procedure: drills on real hosts, and one that has to fail.

They run on the cluster of test_reference.py while it is whole, one after the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drilled import assert_nothing_broken, assert_proven, drill
from made import MASTERS, Cluster, kubectl_json, whole

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", autouse=True)
def whole_before(cluster: Cluster) -> None:
    """Alone, this module finds a cluster whose nodes have joined just now."""
    whole(cluster)


def assert_measured(run: Any) -> None:
    """Every kind of request by every way, with figures."""
    streams = run["streams"]
    assert {
        (s["stream"]["route"], s["stream"]["connection"], s["stream"]["kind"]) for s in streams
    } == {
        (route, connection, kind)
        for route in ("endpoint", *MASTERS)
        for connection in ("new", "kept")
        for kind in ("read", "write")
    } | {
        ("dns", "new", "lookup"),
        ("control", "new", "ping"),
        *(
            (route, connection, kind)
            for route, connection in (
                ("endpoint", "serial"),
                ("inside", "new"),
                ("inside", "kept"),
                ("inside", "serial"),
            )
            for kind in ("read", "write")
        ),
    }
    assert run["inside"]
    for figures in streams:
        assert figures["wait"] > 0
        assert figures["gap"]["end"] > figures["gap"]["begin"]
        assert [window["name"] for window in figures["windows"]] == ["before", "during", "after"]
        if figures["stream"]["route"] in ("endpoint", "inside", "control"):
            assert all(window["latency"]["p99"] > 0 for window in figures["windows"])
    assert run["lag_p99"] > 0
    assert run["load"] is not None


def statuses(run: Any) -> set[str]:
    """HTTP statuses that requests through the endpoint failed with, from the fault on."""
    return {
        error
        for figures in run["streams"]
        if figures["stream"]["route"] == "endpoint"
        for error in figures["errors"]
        if error.startswith("http ")
    }


def test_row_12_and_13_a_master_loses_power_and_a_deployment_made_meanwhile_answers(
    cluster: Cluster, thresholds: Path
) -> None:
    run = drill(cluster, "power-cut", "server3", thresholds, status=0)
    assert run["result"] == "passed"
    assert_nothing_broken(run)
    assert_proven(run, "server3", "silence", "boot")
    assert_measured(run)
    # Made from the client while server3 was dead; its pod answered a request of another node.
    assert run["proofs"]["deployment"] is not None
    assert run["proofs"]["final-write"] is not None
    direct = next(
        figures
        for figures in run["streams"]
        if figures["stream"]["route"] == "server3" and figures["stream"]["connection"] == "new"
    )
    assert direct["failed"] > 10, "its API server answered while it had no power"


def test_row_12_a_master_that_comes_back_serves_nobody_before_it_is_ready(
    cluster: Cluster, thresholds: Path
) -> None:
    run = drill(cluster, "return", "server2", thresholds, status=0)
    assert run["result"] == "passed"
    assert_nothing_broken(run)
    assert_proven(run, "server2", "boot")
    assert_measured(run)
    # An API server that is not ready refuses what it should allow: 403, 500, 503.
    assert statuses(run) == set()


def test_what_does_not_fail_over_fails_the_drill_and_apply_repairs_it(
    cluster: Cluster, thresholds: Path
) -> None:
    """A balancer, and pods that are led to the masters themselves, one of which is dead."""
    spec = cluster.spec.read_text()
    cluster.edit(r"^(  port: 6440)$", r"\1\n  inCluster: masters")
    cluster.apply()
    whole(cluster)
    config = f"/etc/kanae/balancer-{cluster.name}.cfg"
    unit = f"kanae-balancer-{cluster.name}"
    stock = ("net.ipv4.tcp_retries2=15", "net.ipv4.tcp_syn_retries=6")
    cluster.on(
        "lb",
        "sed -i -e 's/max_fails=1 fail_timeout=[0-9]*s/max_fails=0/'"
        " -e 's/proxy_connect_timeout .*;/proxy_connect_timeout 60s;/'"
        f" -e 's/proxy_next_upstream on;/proxy_next_upstream off;/' {config}"
        f" && systemctl reload {unit} && sysctl -q -w {' '.join(stock)}",
    )
    assert cluster.on("lb", f"grep -c max_fails=0 {config}").strip() == "3"
    try:
        run = drill(cluster, "partition", "server3", thresholds, status=40)
    finally:
        cluster.spec.write_text(spec)
        cluster.apply()
    assert run["result"] == "failed"
    # Connections that hang, and new ones that are sent to a dead server again and again.
    for metric, route in (
        ("kept.any.gap", "endpoint"),
        ("any.any.failed-seconds", "endpoint"),
        ("inside.new.any.longest-wait", "inside"),
    ):
        judgement = next(each for each in run["judgements"] if each["metric"] == metric)
        assert judgement["value"] > judgement["limit"]
        assert judgement["where"].startswith(f"{route} ")
        assert any(reason.startswith(f"{metric} is ") for reason in run["reasons"])
    # By its limits only: without failover nothing is lost.
    assert_nothing_broken(run)
    assert_proven(run, "server3", "silence")
    assert cluster.plan() == []
    assert cluster.on("lb", f"grep -c max_fails=1 {config}").strip() == "3"


def test_drills_leave_nothing_behind(cluster: Cluster) -> None:
    drills = cluster.state / "kanae/clusters" / cluster.name / "drills"
    folders = sorted(drills.iterdir())
    assert len(folders) == 3
    for folder in folders:
        assert {path.name for path in folder.iterdir()} == {"history.jsonl.gz", "verdict.json"}
    left = [
        item["metadata"]["name"]
        for item in kubectl_json(cluster, "get namespaces")["items"]
        if item["status"]["phase"] == "Active" and "drill" in item["metadata"]["name"]
    ]
    assert left == []
    assert cluster.plan() == []
