"""A node is drained with budgets respected; what does not leave is told with its reason."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from kanae.errors import StepFailed, StepTimedOut
from kanae.execute.actions import nodes as handlers
from kanae.execute.events import Outcome
from kanae.execute.scripts import nodes
from kanae.facts.pods import Budget, Pod, budgets, pods, why_here
from kanae.plan.actions import DeleteNode, DrainNode, ReleaseVolumes
from kanae.transport.protocol import Completed

from .one_host import PlayedHost, carry_out


def pod(name: str, controller: str = "ReplicaSet", **more: Any) -> dict[str, Any]:
    owners = [{"kind": controller, "name": "it", "controller": True}] if controller else []
    meta = {"namespace": "shop", "name": name, "labels": {"app": name.partition("-")[0]}}
    return {
        "metadata": meta | {"ownerReferences": owners} | more.pop("meta", {}),
        "status": {"phase": "Running"} | more,
    }


def budget(name: str, app: str, allowed: int) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"selector": {"matchLabels": {"app": app}}},
        "status": {"disruptionsAllowed": allowed},
    }


STATIC = pod("etcd-w1", "Node", meta={"annotations": {"kubernetes.io/config.mirror": "x"}})
DAEMON = pod("proxy-1", "DaemonSet")


@dataclass
class Cluster:
    """there: whether the node is. leaves: how many turns of a drain until pods leave, 0 for never.
    volumes: attached to the node, one fewer at each look.
    """

    ready: bool = True
    there: bool = True
    pods: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    budgets: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    leaves: int = 1
    volumes: list[str] = field(default_factory=list[str])

    @property
    def host(self) -> PlayedHost:
        return PlayedHost(self.answer)

    def answer(self, script: str) -> Completed:
        if script == nodes.get("w1"):
            condition = {"type": "Ready", "status": str(self.ready)}
            node = {"status": {"conditions": [condition]}}
            return Completed(0, json.dumps(node).encode() if self.there else b"", "")
        if script == nodes.pods("w1"):
            items = [STATIC, DAEMON, *self.pods]
            return Completed(0, json.dumps({"items": items}).encode(), "")
        if script == nodes.budgets():
            return Completed(0, json.dumps({"items": self.budgets}).encode(), "")
        if script == nodes.attached("w1"):
            told = "\n".join(self.volumes)
            self.volumes = self.volumes[1:]
            return Completed(0, told.encode(), "")
        if script == nodes.release_volumes("w1"):
            return Completed(0, b"" if self.there else nodes.GONE.encode(), "")
        if " drain w1 " in script:
            self.leaves -= 1
            if self.leaves == 0:
                self.pods = []
            return Completed(1 if self.pods else 0, b"", "error when evicting pods\n")
        assert script in (nodes.cordon("w1"), nodes.delete("w1"))
        return Completed(0, b"", "")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second between two looks is not waited for."""
    poll = handlers.poll

    async def hurried(condition: object, **options: object) -> None:
        await poll(condition, **options | {"interval": 0.001})  # type: ignore[arg-type]  # as given

    monkeypatch.setattr(handlers, "poll", hurried)


# Draining


async def test_pods_are_evicted_until_all_have_left() -> None:
    host = Cluster(pods=[pod("web-1")], leaves=3).host
    assert await carry_out(handlers.drain, host, DrainNode("w1")) is Outcome.CHANGED
    assert nodes.cordon("w1") in host.scripts
    assert sum(" drain w1 " in script for script in host.scripts) == 3


async def test_a_pod_whose_budget_allows_nothing_is_named_with_the_budget() -> None:
    cluster = Cluster(
        pods=[
            pod("web-1"),
            pod("db-0", "StatefulSet"),
            pod("job-1", "Job", meta={"deletionTimestamp": "T1", "finalizers": ["a.io/keep"]}),
            pod("old-1"),
        ],
        budgets=[
            budget("web", "web", 1),
            budget("db", "db", 0),
            budget("old-a", "old", 1),
            budget("old-b", "old", 1),
        ],
        leaves=0,
    )
    with pytest.raises(StepFailed) as caught:
        await carry_out(handlers.drain, cluster.host, DrainNode("w1"), timeout=0.3)
    assert caught.value.command == "kubectl drain w1"
    assert caught.value.stderr.splitlines() == [
        "4 pods do not leave:",
        "shop/db-0 PodDisruptionBudget db allows no disruption",
        "shop/job-1 is ending since T1, waits for a.io/keep",
        "shop/old-1 is covered by more than one PodDisruptionBudget (old-a, old-b), so it is never "
        "evicted",
        "shop/web-1 is not evicted yet",
    ]
    assert caught.value.remedy == (
        "w1 stays cordoned and the pods that have left stay away. Give each pod above room to "
        "leave (more replicas, a budget that allows one to be away, or delete it), then run it "
        "again; to keep the node after all: kubectl uncordon w1"
    )


async def test_a_pod_that_nothing_would_start_again_is_left_alone() -> None:
    host = Cluster(pods=[pod("web-1"), pod("own", "")]).host
    with pytest.raises(StepFailed) as caught:
        await carry_out(handlers.drain, host, DrainNode("w1"))
    assert caught.value.stderr.splitlines() == [
        "1 pod does not leave:",
        "shop/own has no controller, so nothing would start it again",
    ]
    assert caught.value.remedy.startswith("nothing was evicted and w1 still takes pods")
    assert host.scripts == [nodes.get("w1"), nodes.pods("w1")]


async def test_one_that_has_ended_may_go() -> None:
    host = Cluster(pods=[pod("own", "", phase="Succeeded")]).host
    assert await carry_out(handlers.drain, host, DrainNode("w1")) is Outcome.CHANGED


async def test_a_node_that_is_not_ready_is_only_cordoned() -> None:
    host = Cluster(ready=False, pods=[pod("own", "")]).host
    assert await carry_out(handlers.drain, host, DrainNode("w1")) is Outcome.CHANGED
    assert host.scripts[-1] == nodes.cordon("w1")


async def test_of_a_node_that_has_gone_nothing_is_left_to_drain() -> None:
    host = Cluster(there=False).host
    assert await carry_out(handlers.drain, host, DrainNode("w1")) is Outcome.OK
    assert host.scripts == [nodes.get("w1")]


async def test_an_error_without_a_pod_in_the_way_is_told_as_kubectl_says_it() -> None:
    cluster = Cluster()
    host = cluster.host

    def broken(script: str) -> Completed:
        if " drain w1 " in script:
            return Completed(1, b"", "error: daemonsets.apps proxy not found\n")
        return cluster.answer(script)

    host.answer = broken
    with pytest.raises(StepTimedOut, match="proxy not found") as caught:
        await carry_out(handlers.drain, host, DrainNode("w1"), timeout=0.3)
    assert "kubectl uncordon w1" in caught.value.remedy


async def test_a_long_list_is_cut() -> None:
    cluster = Cluster(pods=[pod(f"web-{number:02}") for number in range(20)], leaves=0)
    with pytest.raises(StepFailed) as caught:
        await carry_out(handlers.drain, cluster.host, DrainNode("w1"), timeout=0.3)
    lines = caught.value.stderr.splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("20 pods do not leave:", "and 5 more", 17)


# Budgets


@pytest.mark.parametrize(
    ("selector", "covers"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "db"}}, True),
        ({"matchLabels": {"app": "db", "tier": "a"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["x", "db"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_a_budget_covers_the_pods_that_its_selector_matches(
    selector: dict[str, Any] | None, covers: bool
) -> None:
    (one,) = pods({"items": [pod("db-0")]})
    assert Budget("shop", "db", selector, 0).covers(one) is covers
    assert not Budget("other", "db", selector, 0).covers(one)


def test_budgets_and_pods_are_read_where_fields_are_left_out() -> None:
    """As the API server leaves them out: a budget whose controller has said nothing yet."""
    bare = {"metadata": {"namespace": "shop", "name": "b"}, "spec": {}}
    (one,) = budgets({"items": [bare]})
    assert one == Budget("shop", "b", None, 0)
    (empty,) = pods({"items": [{"metadata": {"namespace": "shop", "name": "p"}}]})
    assert empty == Pod("shop", "p", {}, "", False, False, "", ())
    assert why_here(empty, [one]) == "has no controller, so nothing would start it again"


# Volumes, and the end


async def test_a_node_is_out_of_service_until_its_volumes_are_detached() -> None:
    host = Cluster(volumes=["pv-1", "pv-2"]).host
    assert await carry_out(handlers.release_volumes, host, ReleaseVolumes("w1")) is Outcome.CHANGED
    assert host.scripts == [nodes.release_volumes("w1"), *[nodes.attached("w1")] * 3]


async def test_volumes_that_stay_attached_are_named() -> None:
    cluster = Cluster()
    host = cluster.host
    host.answer = lambda script: (
        Completed(0, b"pv-1\npv-2\n", "")
        if script == nodes.attached("w1")
        else cluster.answer(script)
    )
    with pytest.raises(StepTimedOut, match="last seen: attached: pv-1, pv-2"):
        await carry_out(handlers.release_volumes, host, ReleaseVolumes("w1"), timeout=0.3)


async def test_of_a_node_that_has_gone_no_volume_is_waited_for() -> None:
    host = Cluster(there=False, volumes=["pv-1"]).host
    assert await carry_out(handlers.release_volumes, host, ReleaseVolumes("w1")) is Outcome.OK


async def test_a_node_is_deleted_with_its_pods() -> None:
    host = Cluster().host
    assert await carry_out(handlers.delete, host, DeleteNode("w1")) is Outcome.CHANGED
    assert host.scripts == [nodes.delete("w1")]
