"""Pods that a restore must leave alone: the first process of each of their containers lives on."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from kanae.drills.faults import processes
from kanae.drills.faults.protocol import Tools
from kanae.drills.probing import objects
from kanae.drills.probing.objects import Json
from kanae.transport.protocol import must

# Of DaemonSets are kube-proxy and the pod network's agents, which begin anew on purpose; pods of
# Jobs end by themselves.
_NOT_LASTING = ("DaemonSet", "Job")
# As kubelet marks the pods of its manifests, cmd/kubelet/app of k8s.io/kubernetes.
_MIRROR = "kubernetes.io/config.mirror"
# The runtime's id of a container is the last one in its cgroup's path.
_IDS = "$(grep -oE '[0-9a-f]{64}' $d/cgroup | tail -n 1)"
_LIST = processes.each((processes.PODS,), f'echo "$pid $start {_IDS}"')


@dataclass(frozen=True, slots=True)
class Container:
    """One that runs. id: the runtime's, hexadecimal."""

    id: str
    node: str
    pod: str
    name: str

    def __str__(self) -> str:
        return f"{self.pod} ({self.name}) on {self.node}"


def lasting(pods: Iterable[Json], nodes: Collection[str]) -> tuple[Container, ...]:
    """Those on some nodes of which nothing but a fault or a person would end one."""
    found: list[Container] = []
    for pod in pods:
        metadata, status = objects.part(pod, "metadata"), objects.part(pod, "status")
        node = str(objects.part(pod, "spec").get("nodeName", ""))
        owners: list[Json] = metadata.get("ownerReferences") or []
        made = any(owner.get("kind") in _NOT_LASTING for owner in owners)
        mirror = _MIRROR in objects.part(metadata, "annotations")
        if node not in nodes or made or mirror or metadata.get("deletionTimestamp"):
            continue
        containers: list[Json] = status.get("containerStatuses") or []
        found += [
            Container(
                str(each.get("containerID", "")).rpartition("/")[2],
                node,
                f"{metadata.get('namespace')}/{metadata.get('name')}",
                str(each.get("name", "")),
            )
            for each in containers
            if objects.part(objects.part(each, "state"), "running")
        ]
    return tuple(found)


def first_processes(listed: str) -> dict[str, tuple[int, int]]:
    """Container id -> start and pid of its oldest process; of lines `PID START ID`."""
    found: dict[str, tuple[int, int]] = {}
    for line in listed.splitlines():
        match line.split():
            case [pid, start, container] if pid.isdecimal() and start.isdecimal():
                age = (int(start), int(pid))
                found[container] = min(age, found.get(container, age))
            case _:
                continue  # of a process that has just ended
    return found


async def running(tools: Tools, nodes: Iterable[str]) -> Mapping[str, tuple[int, int]]:
    """As `first_processes`, of several nodes together. Raises HostError."""
    told = await asyncio.gather(
        *(must(tools.transport(node), _LIST, command="list pods' processes") for node in nodes)
    )
    return {
        container: first
        for text in told
        for container, first in first_processes(text.decode(errors="replace")).items()
    }


def disturbed(
    containers: Iterable[Container],
    before: Mapping[str, tuple[int, int]],
    after: Mapping[str, tuple[int, int]],
) -> tuple[Container, ...]:
    """Those whose first process is not that of before."""
    return tuple(each for each in containers if before.get(each.id) != after.get(each.id))
