"""What an upgrade begins with: everything of the new version on every host, etcd's data saved, and
the route told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kanae.layout import paths as at
from kanae.plan import versions
from kanae.plan.actions import SaveSnapshot
from kanae.plan.draft import Draft
from kanae.plan.etcd import answers
from kanae.plan.model import Change, Verb
from kanae.plan.view import View

# Hosts on which the snapshot lies: the disk of one may be what is lost.
_COPIES: Final = 2


def plan(draft: Draft) -> None:
    view = draft.view
    if not versions.upgrading(view):
        return
    delivered = [build.last for build in draft.hosts.values()]
    draft.at.delivered = delivered
    for line in _route(view):
        draft.builder.note(line)
    if _begun(view):
        return
    members = [h for h in view.spec.etcd_hosts if h in draft.hosts and answers(view, h)]
    path = f"{at.RESTORES}/before-{view.spec.version}.db"
    draft.at.delivered = [
        draft.builder.add(
            host,
            "upgrade",
            "snapshot",
            "save what etcd holds",
            SaveSnapshot(path, anew=True),
            needs=delivered,
            changes=[Change(Verb.CREATE, "snapshot", path, "etcd's data before the upgrade")],
            timeout=3600.0,
        )
        for host in members[:_COPIES]
    ] or delivered


def _begun(view: View) -> bool:
    """Whether anything runs the new version already: a snapshot would not be of before any more."""
    new = versions.wanted(view)
    running = {**versions.control_planes(view), **versions.kubelets(view)}
    return any(version == new for version in running.values()) or _etcd_begun(view)


def _etcd_begun(view: View) -> bool:
    wanted = versions.etcd_wanted(view)
    told = dict(versions.etcd_versions(view)).values()
    return wanted in told and any(version != wanted for version in told)


def _route(view: View) -> Iterator[str]:
    """For who reads the plan: what moves, in which order."""
    new = versions.wanted(view)
    planes, kubelets = versions.control_planes(view), versions.kubelets(view)
    old = min({**planes, **kubelets}.values(), default=new)
    yield f"upgrade from {old} to {new}: one host at a time, and each step waits for the one before"
    if etcd := [host for host, version in versions.etcd_versions(view)
                if version != versions.etcd_wanted(view)]:  # fmt: skip
        yield f"first etcd, who leads it last: {', '.join(etcd)}"
    if masters := versions.behind(view):
        yield f"then the control planes: {', '.join(masters)}; then add-ons and the pod network"
    nodes = [host for host in view.spec.nodes if versions.node_moves(view, host)]
    if nodes:
        yield f"then kubelet, each node drained before and given back after it: {', '.join(nodes)}"
