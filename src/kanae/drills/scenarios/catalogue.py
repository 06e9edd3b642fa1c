"""All drills."""

from __future__ import annotations

from collections.abc import Mapping

from kanae.drills.cluster.power import Direction
from kanae.drills.scenarios.scenario import HealKind, Scenario, Target
from kanae.errors import UsageError

_HOST: tuple[HealKind, ...] = ("host", "redundancy")
_NODE: tuple[HealKind, ...] = ("host", "node", "redundancy")
_WHOLE: tuple[HealKind, ...] = ("redundancy",)
_SERVED: tuple[HealKind, ...] = ("api", "node", "redundancy")

_ALL = (
    Scenario(
        "power-cut",
        "A control-plane host loses power; meanwhile a Deployment is made and must answer.",
        "cut", Target.CONTROL_PLANE, 30, _NODE, proof="deployment",
    ),
    Scenario(
        "power-off",
        "A control-plane host is shut down in an orderly way.",
        "off", Target.CONTROL_PLANE, 20, _NODE,
    ),
    Scenario(
        "return",
        "A control-plane host that was cut comes back.",
        "return", Target.CONTROL_PLANE, 30, _NODE,
    ),
    Scenario(
        "kill-apiserver", "SIGKILL of an API server.",
        "kill", Target.CONTROL_PLANE, 10, _WHOLE, process="kube-apiserver",
    ),
    Scenario(
        "kill-etcd", "SIGKILL of an etcd member.",
        "kill", Target.ETCD, 10, _WHOLE, process="etcd",
    ),
    Scenario(
        "kill-etcd-leader", "SIGKILL of etcd's leader.",
        "kill", Target.ETCD_LEADER, 10, _WHOLE, process="etcd",
    ),
    Scenario(
        "kill-kubelet", "SIGKILL of a control-plane host's kubelet.",
        "kill", Target.CONTROL_PLANE, 15, ("node", "redundancy"), process="kubelet",
    ),
    Scenario(
        "kill-containerd", "SIGKILL of a control-plane host's containerd.",
        "kill", Target.CONTROL_PLANE, 15, ("node", "redundancy"), process="containerd",
    ),
    Scenario(
        "etcd-host-cut", "A dedicated etcd host loses power.",
        "cut", Target.ETCD_ONLY, 30, _HOST,
    ),
    Scenario(
        "balancer-cut",
        "The balancer that holds the endpoint's address loses power.",
        "cut", Target.BALANCER, 20, _HOST,
    ),
    Scenario(
        "partition", "A control-plane host is cut off from all others.",
        "partition", Target.CONTROL_PLANE, 30, _NODE,
    ),
    Scenario(
        "partition-oneway", "A control-plane host still sends but hears nobody.",
        "partition", Target.CONTROL_PLANE, 30, _NODE, direction=Direction.IN,
    ),
    Scenario(
        "pause", "A control-plane host stands still for 20 s.",
        "pause", Target.CONTROL_PLANE, 20, _NODE,
    ),
    Scenario(
        "worker-cut", "A worker loses power: how long until its pods run elsewhere?",
        "cut", Target.WORKER, 30, _NODE, deadline=600, proof="moved",
    ),
    Scenario(
        "cold-start", "All hosts lose power at once and return.",
        "cut", Target.ALL, 5, _HOST, deadline=600, outage=True,
    ),
    Scenario(
        "etcd-loss",
        "Every member of etcd loses its data at once; a backup is restored.",
        "wipe", Target.EVERY_ETCD, 10, _SERVED, deadline=900, outage=True, remedy="backup",
    ),
    Scenario(
        "quorum-loss",
        "Most members of etcd lose their data for good; what one still has is restored.",
        "wipe", Target.MOST_ETCD, 10, _SERVED, deadline=900, outage=True, remedy="survivor",
    ),
    Scenario(
        "all-masters-loss",
        "All control-plane hosts are lost; a backup is restored on blank ones.",
        "blank", Target.EVERY_CONTROL_PLANE, 10, _SERVED, deadline=1800, outage=True,
        remedy="backup",
    ),
    Scenario(
        "calm", "No fault: nothing may be ejected and nothing may fail.",
        "none", Target.NONE, 120, _WHOLE, proof="all-in-use",
    ),
)  # fmt: skip

DRILLS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _ALL}


def find(name: str) -> Scenario:
    """Raises UsageError for a drill that there is not."""
    if name not in DRILLS:
        raise UsageError(f"there is no drill {name}", remedy=f"drills: {', '.join(DRILLS)}")
    return DRILLS[name]
