"""Restoring a cluster from a snapshot of etcd: nothing may be left that believes the future.

The restored data is made ready beside the old on every etcd host before anything stops. Then all
API servers and members end, everywhere, before any data is replaced: one that goes on would be a
second voice. What etcd's revision was raised by makes every watch and cache begin anew.

Order: etcd.io/docs/latest/op-guide/recovery, and what kubernetes/kubernetes#107457 tells of
clusters in which controllers and kube-proxy went on with what they remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from kanae.layout import paths as at
from kanae.layout import ports, units
from kanae.plan.actions import (
    AwaitApi,
    AwaitEtcd,
    AwaitKubelet,
    AwaitNodes,
    AwaitSameData,
    DeleteNode,
    DiscardReplaced,
    EndRestore,
    Fence,
    ReplaceData,
    RestartAgents,
    SaveSnapshot,
    Unfence,
)
from kanae.plan.attempt import Attempt, chosen, undecided
from kanae.plan.builder import Builder
from kanae.plan.control_plane import STATIC_PODS
from kanae.plan.etcd import OF_RESTORES, answers, data_folder
from kanae.plan.model import Change, Plan, Verb
from kanae.plan.rebuilt import restoring, snapshot_path
from kanae.plan.restore_notes import notes
from kanae.plan.saved import Saved
from kanae.plan.stand import Stand, awaited, ours, runs_unit, stand, static_pods
from kanae.plan.view import View
from kanae.plan.waits import kubelet_port
from kanae.spec.models import PodNetworkProvider

_API: Final = STATIC_PODS[0]
_CONTROLLERS: Final = STATIC_PODS[1:]
_LONG: Final = 3600.0  # gigabytes over a slow line, and written twice


def restore(view: View, saved: Saved) -> Plan:
    """Refusals have been made (see `kanae.plan.restore_refusals`)."""
    spec, builder = view.spec, Builder(view.spec.name)
    who, attempt = stand(view), chosen(view, saved)
    for note in notes(view, who, saved, attempt):
        builder.note(note)
    ready = _prepare(view, builder, who, saved, attempt)
    fences = [_fence(view, builder, host, ready, attempt) for host in who.fenced]
    replaced = [
        builder.add(
            host,
            "restore",
            "data",
            "put etcd's data aside and the restored in its place",
            ReplaceData(data_folder(view, host), attempt.id),
            needs=fences,
            changes=[
                Change(Verb.UPDATE, "etcd data", f"{data_folder(view, host)}/member", saved.taken)
            ],
        )
        for host in who.members
    ]
    served = _serve(view, builder, who, attempt, replaced)
    believed = _begin_anew(view, builder, who, served)
    ghosts = _forget(view, builder, who, saved, believed)
    whole = builder.add(
        who.masters[0],
        "restore",
        "ready",
        "wait for nodes and cluster DNS",
        AwaitNodes(
            awaited(who, saved), spec.networks.pod_network.provider is not PodNetworkProvider.NONE
        ),
        needs=[*believed, *ghosts],
        timeout=600.0,
    )
    # One that was to be built anew, and has been joined by nobody yet, has the mark too.
    for host in dict.fromkeys((*who.fenced, *undecided(view))):
        builder.add(
            host,
            "restore",
            "end",
            "record that the cluster is restored",
            EndRestore(snapshot_path(attempt) if host in who.members else ""),
            needs=[whole],
        )
    return builder.plan()


def discard(view: View) -> Plan:
    """What restores have put aside, on every host that has it."""
    builder = Builder(view.spec.name)
    for host in view.spec.etcd_hosts:
        folder = data_folder(view, host) if host in view.reachable else ""
        names = view.host(host).folders.get(folder, ()) if folder else ()
        kept = [name for name in names if name.startswith(OF_RESTORES)]
        if kept and ours(view, host):
            builder.add(
                host,
                "discard",
                "data",
                "remove what restores have put aside",
                DiscardReplaced(folder),
                changes=[Change(Verb.DELETE, "etcd data", f"{folder}/{name}") for name in kept],
            )
    return builder.plan()


def _prepare(view: View, builder: Builder, who: Stand, saved: Saved, attempt: Attempt) -> list[str]:
    """Nothing is interrupted yet. A restore that goes on has saved what was there before it."""
    steps: list[str] = []
    alive = [host for host in who.members if answers(view, host)]
    if alive and not undecided(view):
        path = f"{at.RESTORES}/before-{attempt.id}.db"
        steps.append(
            builder.add(
                alive[0],
                "prepare",
                "save",
                "save what etcd holds now",
                SaveSnapshot(path),
                changes=[Change(Verb.CREATE, "snapshot", path, "kept until it is discarded")],
                timeout=_LONG,
            )
        )
    steps += [
        builder.add(
            host,
            "prepare",
            "snapshot",
            "restore the snapshot beside etcd's data",
            restoring(view, saved, attempt, host, who.members),
            changes=[
                Change(
                    Verb.CREATE,
                    "etcd data",
                    f"revision {attempt.reached}",
                    f"{saved.size / 1e6:.0f} MB of {saved.taken}, revision {saved.revision} raised "
                    f"by {attempt.bump}",
                )
            ],
            timeout=_LONG,
        )
        for host in who.members
    ]
    return steps


def _fence(view: View, builder: Builder, host: str, ready: Sequence[str], attempt: Attempt) -> str:
    pods, etcd = static_pods(view, host), runs_unit(view, host)
    stopped = [*pods, *(["etcd"] if etcd else [])]
    return builder.add(
        host,
        "fence",
        "host",
        f"stop {', '.join(stopped)}",
        Fence(pods, etcd, attempt.record()),
        needs=ready,
        changes=[
            *(Change(Verb.UPDATE, "static pod", pod, f"stopped, in {at.FENCED}") for pod in pods),
            *([Change(Verb.UPDATE, "unit", units.ETCD, "stopped and disabled")] if etcd else []),
        ],
    )


def _serve(
    view: View, builder: Builder, who: Stand, attempt: Attempt, replaced: Sequence[str]
) -> list[str]:
    """etcd, then API servers when all its members hold the same."""
    spec = view.spec
    endpoints = tuple(
        f"https://{spec.hosts[host].address}:{ports.ETCD_CLIENT}" for host in who.members
    )
    started = [
        builder.add(
            host,
            "restore",
            "etcd",
            "start etcd",
            Unfence(() if runs_unit(view, host) else ("etcd",), etcd=runs_unit(view, host)),
            needs=replaced,
        )
        for host in who.members
    ]
    first = who.members[0]
    quorum = builder.add(
        first, "restore", "quorum", "wait for etcd's quorum", AwaitEtcd(endpoints), needs=started
    )
    same = builder.add(
        first,
        "restore",
        "same",
        "compare what etcd's members hold",
        AwaitSameData(endpoints, attempt.reached),
        needs=[quorum],
    )
    served: list[str] = []
    for host in who.masters:
        server = builder.add(
            host,
            "restore",
            "api-server",
            "start the API server",
            Unfence((_API,)),
            needs=[same],
        )
        served.append(
            builder.add(
                host,
                "restore",
                "api-ready",
                "wait for the API server",
                AwaitApi(str(spec.hosts[host].address), ports.API_SERVER),
                needs=[server],
            )
        )
    return served


def _begin_anew(view: View, builder: Builder, who: Stand, served: Sequence[str]) -> list[str]:
    """Whoever remembers the lost revisions, or acts upon what is in its cache."""
    anew = [
        builder.add(
            host,
            "restore",
            "controllers",
            "start controller manager and scheduler",
            Unfence(_CONTROLLERS),
            needs=served,
        )
        for host in who.masters
    ]
    containers = _agents(view)
    after = dict(zip(who.masters, anew, strict=True))
    for host in who.nodes:
        agents = builder.add(
            host,
            "restore",
            "agents",
            "restart kubelet, kube-proxy and the pod network's agent",
            RestartAgents(containers),
            needs=[after.get(host), *served],
            changes=[Change(Verb.RUN, "restart", name) for name in (units.KUBELET, *containers)],
        )
        anew.append(
            builder.add(
                host,
                "restore",
                "kubelet",
                "wait for kubelet",
                AwaitKubelet(kubelet_port(view.spec, host)),
                needs=[agents],
            )
        )
    return anew


def _agents(view: View) -> tuple[str, ...]:
    """Containers that follow the API on every node: kube-proxy, and of the pod network's objects
    those of DaemonSets."""
    found = ["kube-proxy"]
    for document in view.site.manifests:
        if document.get("kind") == "DaemonSet":
            spec = cast("dict[str, Any]", document)["spec"]["template"]["spec"]
            found += [str(container["name"]) for container in spec["containers"]]
    return tuple(dict.fromkeys(found))


def _forget(
    view: View, builder: Builder, who: Stand, saved: Saved, needs: Sequence[str]
) -> list[str]:
    """Nodes that kanae made and has taken away since: the snapshot brings them back, with their
    leases and pods. One that is leaving is taken out by the next apply."""
    known = view.former.spec.hosts
    return [
        builder.add(
            who.masters[0],
            "restore",
            f"forget-{host}",
            f"delete node {host}, which is no more",
            DeleteNode(host),
            needs=needs,
            changes=[Change(Verb.DELETE, "node", host, "with its lease and pods")],
        )
        for host in saved.hosts
        if host not in known
    ]
