"""A node goes out of service and returns; what kubeadm says when it does not move a host."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from kanae.errors import StepFailed, StepTimedOut
from kanae.execute.actions import nodes as draining
from kanae.execute.actions import upgrade as handlers
from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.execute.scripts import kubectl, nodes, upgrade
from kanae.facts.nodes import CORDONED
from kanae.plan.actions import DrainNode
from kanae.plan.upgrade_actions import KubeadmUpgrade, ReturnNode
from kanae.transport.protocol import Completed

from .one_host import PlayedHost, carry_out

NEW = "v1.37.2"
STUCK = {
    "metadata": {
        "namespace": "shop",
        "name": "web-1",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": True}],
    },
    "status": {"phase": "Running"},
}


@dataclass
class Node:
    """A node as the API has it. looks: after how many its kubelet says the new version."""

    annotations: dict[str, str] = field(default_factory=dict[str, str])
    cordoned: bool = False
    version: str = NEW
    looks: int = 0
    pods: tuple[dict[str, Any], ...] = ()
    dns: int = 2

    @property
    def host(self) -> PlayedHost:
        return PlayedHost(self.answer)

    def answer(self, script: str) -> Completed:
        if script == nodes.get("w1"):
            self.looks -= 1
            version = self.version if self.looks < 0 else "v1.36.3"
            node = {
                "metadata": {"annotations": self.annotations},
                "spec": {"unschedulable": self.cordoned} if self.cordoned else {},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "nodeInfo": {"kubeletVersion": version},
                },
            }
            return Completed(0, json.dumps(node).encode(), "")
        if script == nodes.set_aside("w1"):
            self.annotations, self.cordoned = {CORDONED: "upgrade"}, True
        elif script == nodes.uncordon("w1"):
            self.annotations, self.cordoned = {}, False
        elif script == nodes.cordon("w1"):
            self.cordoned = True
        elif script == nodes.pods("w1"):
            return Completed(0, json.dumps({"items": list(self.pods)}).encode(), "")
        elif script == nodes.budgets():
            return Completed(0, b'{"items": []}', "")
        elif script == kubectl.dns():
            status = {"availableReplicas": self.dns}
            text = json.dumps({"spec": {"replicas": 2}, "status": status})
            return Completed(0, text.encode(), "")
        elif " drain w1 " in script:
            return Completed(1 if self.pods else 0, b"", "error when evicting pods\n")
        else:
            raise AssertionError(script)
        return Completed(0, b"", "")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is between two looks is not waited for."""
    poll = handlers.poll

    async def hurried(condition: object, **options: object) -> None:
        await poll(condition, **options | {"interval": 0.001})  # type: ignore[arg-type]  # as given

    monkeypatch.setattr(handlers, "poll", hurried)
    monkeypatch.setattr(draining, "poll", hurried)


async def test_a_node_that_is_to_return_says_who_cordoned_it() -> None:
    node = Node()
    assert await carry_out(draining.drain, node.host, DrainNode("w1", True)) is Outcome.CHANGED
    assert node.cordoned
    assert node.annotations == {CORDONED: "upgrade"}


async def test_one_that_cannot_be_drained_takes_pods_again_at_once() -> None:
    node = Node(pods=(STUCK,))
    with pytest.raises(StepFailed) as caught:
        await carry_out(draining.drain, node.host, DrainNode("w1", True), timeout=0.3)
    assert "shop/web-1 is not evicted yet" in caught.value.stderr
    assert caught.value.remedy.startswith("w1 takes pods again, and its kubelet is as it was. ")
    assert "kubectl uncordon" not in caught.value.remedy
    assert not node.cordoned
    assert node.annotations == {}


@pytest.mark.parametrize("pods", [(), (STUCK,)])
async def test_one_that_somebody_else_cordoned_is_left_to_him(
    pods: tuple[dict[str, Any], ...],
) -> None:
    node = Node(cordoned=True, pods=pods)
    try:
        await carry_out(draining.drain, node.host, DrainNode("w1", True), timeout=0.3)
    except StepFailed:
        assert pods
    assert await carry_out(handlers.return_node, node.host, ReturnNode("w1", NEW, 2)) is Outcome.OK
    assert node.cordoned
    assert node.annotations == {}


async def test_a_node_returns_when_its_kubelet_is_the_new_one() -> None:
    node = Node({CORDONED: "upgrade"}, cordoned=True, looks=3)
    host = node.host
    assert await carry_out(handlers.return_node, host, ReturnNode("w1", NEW, 2)) is Outcome.CHANGED
    assert not node.cordoned
    assert host.scripts.index(nodes.uncordon("w1")) == 5


async def test_one_whose_kubelet_stays_old_takes_no_pods() -> None:
    node = Node({CORDONED: "upgrade"}, cordoned=True, looks=10**6)
    with pytest.raises(StepTimedOut, match=r"its kubelet is v1\.36\.3"):
        await carry_out(handlers.return_node, node.host, ReturnNode("w1", NEW, 2), timeout=0.3)
    assert node.cordoned


async def test_the_next_node_waits_for_cluster_dns() -> None:
    node = Node(dns=1)
    with pytest.raises(StepTimedOut, match="1 of 2 CoreDNS pods serve"):
        await carry_out(handlers.return_node, node.host, ReturnNode("w1", NEW, 2), timeout=0.3)


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("there are NotReady control-planes in the cluster: [m2]", "bring every control-plane"),
        ('Job "upgrade-health-check-1" did not complete in 1m0s', "no node could start a pod"),
        ("kubeadm has tried to recover everything into", "the host's control plane is what it was"),
        ("something else", "read /var/lib/kanae/log/kubeadm-upgrade.log"),
    ],
)
async def test_what_kubeadm_says_is_told_with_a_remedy(said: str, remedy: str) -> None:
    action = KubeadmUpgrade("", "f" * 64, NEW, first=True)
    host = PlayedHost(lambda script: Completed(1, b"", said))
    with pytest.raises(StepFailed) as caught:
        await carry_out(handlers.control_plane, host, action)
    assert caught.value.command == "kubeadm upgrade apply"
    assert remedy in caught.value.remedy
    assert "kubeadm upgrade apply --yes" in host.scripts[0]


async def test_whether_it_took_effect_is_told_by_the_fingerprint() -> None:
    action = KubeadmUpgrade("", "f" * 64, NEW, first=False)
    told: list[str] = []

    def answer(script: str) -> Completed:
        told.append(script)
        return Completed(0, b"", "")

    async def moved(ctx: StepContext) -> Outcome:
        return Outcome.CHANGED if await handlers.moved(ctx) else Outcome.FAILED

    assert await carry_out(moved, PlayedHost(answer), action) is Outcome.CHANGED
    assert "f" * 64 in told[0]
    assert upgrade.UPGRADE == "kubeadm-upgrade"
