"""What an upgrade begins with: everything of the new version on every host, etcd's data saved, and
the route told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from kanae.layout import paths as at
from kanae.plan import versions
from kanae.plan.actions import SaveSnapshot
from kanae.plan.draft import Draft, StepId
from kanae.plan.etcd import answers
from kanae.plan.model import Change, Verb
from kanae.plan.view import View

# Hosts on which the snapshot lies: the disk of one may be what is lost.
_COPIES: Final = 2


def plan(draft: Draft) -> None:
    view = draft.view
    for host, version in versions.etcd_short(view).items():
        draft.builder.note(
            f"etcd of {host} stays at {versions.dotted(version)}: that of Kubernetes "
            f"{view.spec.version} wants its members to be at a later one first"
        )
    if view.unanswered or not versions.upgrading(view):
        return
    draft.at.upgrading = True
    delivered: list[StepId] = [each for build in draft.hosts.values() for each in build.last]
    draft.at.delivered = delivered
    for line in _route(view):
        draft.builder.note(line)
    if _begun(view):
        return
    members = [
        (host, version)
        for host, version in versions.etcd_versions(view)
        if host in draft.hosts and answers(view, host)
    ]
    draft.at.delivered = [
        _save(draft, host, versions.dotted(version), delivered)
        for host, version in members[:_COPIES]
    ] or delivered


def _save(draft: Draft, host: str, etcd: str, needs: Sequence[StepId]) -> str:
    """etcd: its version, without which the file is of no use. A member that has moved already does
    not overwrite what was saved before."""
    path = f"{at.RESTORES}/before-{draft.view.spec.version}-etcd-{etcd}.db"
    return draft.builder.add(
        host,
        "upgrade",
        "snapshot",
        "save what etcd holds",
        SaveSnapshot(path, anew=True),
        needs=needs,
        changes=[Change(Verb.CREATE, "snapshot", path, "etcd's data before the upgrade")],
        timeout=3600.0,
    )


def _begun(view: View) -> bool:
    """Whether some of what moves runs the new version already: then a snapshot would not be of
    before any more."""
    running = [*versions.control_planes(view).values(), *versions.kubelets(view).values()]
    members = [version for _, version in versions.etcd_versions(view)]
    of_kubernetes = [version == versions.wanted(view) for version in running]
    of_etcd = [version == versions.etcd_wanted(view) for version in members]
    return any(any(each) and not all(each) for each in (of_kubernetes, of_etcd))


def _route(view: View) -> Iterator[str]:
    """For who reads the plan: what moves, in which order."""
    new = versions.wanted(view)
    planes, kubelets = versions.control_planes(view), versions.kubelets(view)
    old = min([*planes.values(), *kubelets.values()], default=new)
    yield f"upgrade from {old} to {new}: one host at a time, and each step waits for the one before"
    if etcd := versions.etcd_behind(view):
        yield f"first etcd, who leads it last: {', '.join(etcd)}"
    if masters := versions.behind(view):
        yield f"then the control planes: {', '.join(masters)}; then add-ons and the pod network"
    nodes = [host for host in view.spec.nodes if versions.node_moves(view, host)]
    if nodes:
        yield f"then kubelet, each node drained before and given back after it: {', '.join(nodes)}"
