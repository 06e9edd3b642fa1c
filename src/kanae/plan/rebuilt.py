"""A cluster whose control-plane hosts are all gone, built again on blank ones with its backup.

It is built in the ordinary steps. What a new cluster would get made is taken from the backup here:
its authorities (see `kanae.plan.pki`), its identity (see `View.known`), and before etcd's first
start its data. With stacked etcd that is one member, and kubeadm adds the others.
"""

from __future__ import annotations

from typing import Final

from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan.actions import DeleteNode, Fence, PlaceKeys, ReplaceData, RestoreSnapshot, Unfence
from kanae.plan.attempt import Attempt, chosen
from kanae.plan.backup import ENCRYPTION, encryption_config
from kanae.plan.draft import Draft
from kanae.plan.etcd import data_folder, peer_url
from kanae.plan.model import Change, Verb
from kanae.plan.saved import Saved
from kanae.plan.view import View
from kanae.spec.models import EtcdTopology

_LONG: Final = 3600.0


def snapshot_path(attempt: Attempt) -> str:
    """Where the snapshot of an attempt lies on a host."""
    return f"{at.RESTORES}/{attempt.id}.db"


def restoring(
    view: View, saved: Saved, attempt: Attempt, host: str, members: tuple[str, ...]
) -> RestoreSnapshot:
    """members: hosts of the new etcd, this one among them."""
    peers = {each: peer_url(view.spec, each) for each in members}
    return RestoreSnapshot(
        saved.snapshot,
        saved.sha256,
        saved.size,
        snapshot_path(attempt),
        data_folder(view, host),
        attempt.id,
        host,
        peers[host],
        ",".join(f"{name}={url}" for name, url in peers.items()),
        attempt.bump,
    )


def plan(draft: Draft) -> None:
    """etcd hosts may have outlived the control plane: their members stop before any data is
    replaced. Every control-plane host is marked, so that only a restore goes on with it."""
    view, saved = draft.view, draft.view.site.backup
    if saved is None or not draft.first:
        return
    attempt, builder = chosen(view, saved), draft.builder
    external = view.spec.etcd_topology is EtcdTopology.EXTERNAL
    members = view.spec.etcd_hosts if external else (draft.first,)
    ready: dict[str, str] = {}
    fences: dict[str, str] = {}
    for host in members:
        ready[host] = builder.add(
            host,
            "etcd-data",
            "snapshot",
            "restore the snapshot",
            restoring(view, saved, attempt, host, members),
            needs=[*draft.hosts[host].last],
            changes=[Change(Verb.CREATE, "etcd data", f"revision {attempt.reached}", saved.taken)],
            timeout=_LONG,
        )
    if path := encryption_config(view.spec):
        for host in view.control_planes:
            placed = builder.add(
                host,
                "certificates",
                "encryption",
                "write the keys that etcd's data is encrypted with",
                PlaceKeys(f"{saved.folder}/{ENCRYPTION}", path),
                needs=[*draft.hosts[host].last, draft.at.marked.get(host)],
                changes=[Change(Verb.CREATE, "keys", path, "from the backup")],
            )
            draft.hosts[host].last = (placed,)
    for host in dict.fromkeys((*members, *view.control_planes)):
        runs = _has_unit(view, host)
        fences[host] = builder.add(
            host,
            "etcd-data",
            "begin",
            "record that the cluster is being restored" + (" and stop etcd" if runs else ""),
            Fence((), runs, attempt.record()),
            needs=[*draft.hosts[host].last, *ready.values()],
        )
    for host in members:
        step = builder.add(
            host,
            "etcd-data",
            "replace",
            "put the restored data in its place",
            ReplaceData(data_folder(view, host), attempt.id),
            needs=list(fences.values()),
        )
        if _has_unit(view, host):
            step = builder.add(
                host,
                "etcd-data",
                "start",
                "start etcd",
                Unfence((), etcd=True),
                needs=[step],
            )
        draft.hosts[host].last = (step,)


def _has_unit(view: View, host: str) -> bool:
    fact = view.host(host).units.get(units.ETCD)
    return fact is not None and fact.load == "loaded"


def forget(draft: Draft) -> list[str]:
    """Nodes of blank hosts, which the backup brings back as if they were Ready: kubeadm lets no
    host join whose Node is (cmd/kubeadm/app/cmd/phases/join/kubelet.go)."""
    view = draft.view
    if view.site.backup is None or not draft.first:
        return []
    return [
        draft.builder.add(
            draft.first,
            "departure",
            f"forget-{host}",
            f"delete node {host}, which joins anew",
            DeleteNode(host),
            needs=draft.reached,
            changes=[Change(Verb.DELETE, "node", host, "as it was in the backup")],
        )
        for host in view.spec.nodes
        if host != draft.first and host in view.reachable and not view.joined(host)
    ]
