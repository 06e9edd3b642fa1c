"""Hosts of a cluster on real hosts that die for good and are replaced."""

from __future__ import annotations

from made import Cluster
from seen import offered_key


def dead(cluster: Cluster, host: str) -> None:
    """It loses its power for good; a blank machine of its name and address is there instead."""
    cluster.kanae("lab", "power-cut", host, "--lab", cluster.name)
    cluster.kanae("lab", "power-on", "--blank", host, "--lab", cluster.name)


def replacement(cluster: Cluster, host: str) -> list[str]:
    """The command that replaces a dead host by the machine that is there now."""
    key = offered_key(cluster)
    return ["replace", host, str(cluster.spec), "--off", "--yes", "--accept-host-key", key]


def replaced(cluster: Cluster, host: str) -> None:
    dead(cluster, host)
    cluster.kanae(*replacement(cluster, host))
