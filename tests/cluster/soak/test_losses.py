"""Losses for good, and the restore under load, on real hosts. `make soak` runs these."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from drilled import SHORT, assert_nothing_broken
from made import MASTERS, Cluster, whole

pytestmark = pytest.mark.lab

LONG = 2400.0


def lost(cluster: Cluster, name: str, thresholds: Path, *words: str, status: int = 0) -> Any:
    """The run's verdict, or None where there was none."""
    done = cluster.kanae(
        "drill", "run", name, str(cluster.spec), *SHORT, "--thresholds", str(thresholds),
        "-o", "json", *words, status=None, timeout=LONG,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)["runs"][0] if status == 0 else None


def test_data_is_not_destroyed_without_the_spec_and_the_name(
    cluster: Cluster, thresholds: Path
) -> None:
    cluster.apply()
    agreed = ("--accept-outage", "--yes", "--confirm", cluster.name)
    lost(cluster, "etcd-loss", thresholds, *agreed, status=5)
    cluster.edit(r"\Z", "policies: {destructiveDrills: true}\n")
    lost(cluster, "etcd-loss", thresholds, "--accept-outage", "--yes", status=2)
    assert cluster.plan() == []


@pytest.mark.parametrize("name", ["etcd-loss", "quorum-loss", "all-masters-loss"])
def test_what_was_lost_is_restored_under_load(
    cluster: Cluster, thresholds: Path, name: str
) -> None:
    whole(cluster)
    words = ("--accept-outage", "--confirm", cluster.name)
    run = lost(cluster, name, thresholds, *words)
    assert run["result"] == "passed", run["reasons"]
    assert_nothing_broken(run)
    assert all(watch["expired"] for watch in run["watches"])
    assert all(sign["took"] for sign in run["evidence"])
    assert set(run["heals"]) == {"api", "node", "redundancy"}
    assert all(seconds is not None for seconds in run["heals"].values()), run["heals"]
    for proof in ("pods-undisturbed", "no-ghost-endpoints", "final-write"):
        assert run["proofs"][proof] is not None, proof
    [restored] = run["restored"]
    assert restored["reached"] > restored["revision"] + 500_000_000
    if name != "quorum-loss":
        # Written since the backup, through the whole steady state.
        assert len(run["writes"]["undone"]) > 20
    taken = 2 if name == "quorum-loss" else 3
    assert len(run["targets"]) == taken
    assert set(run["targets"]) <= set(MASTERS)
    cluster.kanae("restore", str(cluster.spec), "--discard", "--confirm", cluster.name)
    whole(cluster)
