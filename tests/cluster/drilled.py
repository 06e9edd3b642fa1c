"""Drills on a cluster of the tests, and what must hold of every one of them on any machine."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from made import APPLY_TIMEOUT, MASTERS, Cluster

from kanae.drills.scenarios.catalogue import find

# What drills promise in seconds is measured by bench/drills.py on a machine that has time for it.
# Here others may keep both cores busy, which makes the prober late and every answer slow (at a load
# average of 20 an API server took 10 s for what it was asked over kept connections), so the limits
# of the drills that pass are wide and nothing of what others do makes them void. What must hold on
# any machine is asserted below, one by one. The drill that has to fail does so on any machine: what
# waits for a host that is silent on its own link waits until the link's neighbour is given up, 3 s
# from the first question at the soonest (mcast_solicit and ucast_solicit, 3 of a second each; seen:
# 3.04 s), else for the prober's whole deadline of 10 s.
THRESHOLDS = """
[validity]
min-requests = 4
min-share = 0.2
max-lag-p99 = 10
max-clock-error = 1
max-failed-before = 10000
max-wait-before = 30

[all]
"heal.redundancy" = 300

[drill.power-cut]
"new.any.gap" = 9
"kept.any.gap" = 40
"inside.new.any.longest-wait" = 9
"proof.deployment" = 180

[drill.return]
"new.any.gap" = 9
"kept.any.gap" = 40
"inside.new.any.longest-wait" = 9

[drill.partition]
"kept.any.gap" = 2.5
"any.any.failed-seconds" = 1.5
"inside.new.any.longest-wait" = 2.5

[drill.etcd-loss]
"heal.api" = 200
"heal.redundancy" = 400

[drill.quorum-loss]
"heal.api" = 300
"heal.redundancy" = 500

[drill.all-masters-loss]
"heal.api" = 900
"heal.redundancy" = 1500
"""
# Half of the usual requests.
SHORT = ("--steady", "4", "--hold", "12", "--after", "4", "--period", "0.2")


def drill(
    cluster: Cluster,
    name: str,
    target: str,
    thresholds: Path,
    status: int,
    *words: str,
    timeout: float = APPLY_TIMEOUT,
) -> Any:
    """The run's verdict as JSON; kanae has to end with a status within a time."""
    done = cluster.kanae(
        "drill", "run", name, str(cluster.spec), "--yes", "--target", target, *SHORT,
        "--thresholds", str(thresholds), "-o", "json", *words, status=None,
        timeout=timeout,
    )  # fmt: skip
    if done.returncode != status:
        pods = cluster.on("server5", "kubectl get pods -A -o wide", status=None)
        raise AssertionError(f"ended with {done.returncode}: {done.stderr}\n{pods}")
    outcome = json.loads(done.stdout)
    assert (outcome["stopped"], len(outcome["runs"])) == ("", 1)
    return outcome["runs"][0]


def assert_nothing_broken(run: Any, masters: Collection[str] = MASTERS) -> None:
    """What no fault and no busy machine excuses."""
    writes = run["writes"]
    assert writes["acknowledged"] > 100
    assert (writes["lost"], writes["differing"]) == ([], [])
    inside = {"inside"} if run["inside"] else set[str]()
    assert {watch["route"] for watch in run["watches"]} == {"endpoint", *inside, *masters}
    for watch in run["watches"]:
        assert watch["events"] > 0
        assert (watch["disorder"], watch["missed"], watch["wrong_revision"]) == ([], [], [])


def assert_proven(run: Any, target: str, *signs: str) -> None:
    """The fault was seen, and what it broke is whole again."""
    assert run["targets"] == [target]
    assert {(sign["name"], sign["host"]) for sign in run["evidence"]} == {
        (sign, target) for sign in signs
    }
    assert all(sign["took"] for sign in run["evidence"])
    assert set(run["heals"]) == set(find(run["drill"]).heals)
    assert all(seconds is not None for seconds in run["heals"].values()), run["heals"]
