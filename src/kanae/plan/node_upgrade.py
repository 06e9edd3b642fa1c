"""Nodes to another version of Kubernetes: kubelet, and the container runtime with it.

Each is drained before, since kubelet takes over no pods of another minor version, and takes pods
again when it is Ready. Control-plane hosts come first and one by one; of workers a first one alone,
then as many as may be away at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from kanae.facts.nodes import cordoned, cordoned_by_us
from kanae.facts.workloads import DNS, serving
from kanae.layout import units
from kanae.plan import runtime, versions
from kanae.plan.actions import DrainNode, ReconfigureKubelet
from kanae.plan.control_plane import kubelet_fingerprint
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.upgrade_actions import ReturnNode
from kanae.plan.view import View
from kanae.spec.models import Role


def plan(draft: Draft) -> None:
    view = draft.view
    moving = [h for h in view.spec.nodes if h in draft.hosts and versions.node_moves(view, h)]
    masters = [host for host in moving if Role.CONTROL_PLANE in view.spec.hosts[host].roles]
    workers = [host for host in moving if host not in masters]
    before = [*draft.at.delivered, *draft.reached, draft.at.network, *draft.at.addons]

    def change(host: str, needs: Sequence[str | None]) -> str:
        # A part of the change and no gate: a node whose kubelet stands still has none, and was
        # drained all the same.
        return _return(draft, host, _move(draft, host, [*before, *needs]))

    alone = workers[:1] if len(workers) == len(_joined_workers(view)) else []
    for batch in (masters, alone, [host for host in workers if host not in alone]):
        before += draft.rolling.roll(
            batch,
            change,
            serves=lambda host: view.active(host, units.KUBELET),
        )
    for host in view.spec.nodes:
        if host not in moving and _left_cordoned(view, host):
            _return(draft, host, None)


def _joined_workers(view: View) -> list[str]:
    planes = view.control_planes
    return [host for host in view.spec.nodes if view.joined(host) and host not in planes]


def _left_cordoned(view: View, host: str) -> bool:
    """Whether a run that was cut off has left the node without pods."""
    node = view.api.nodes.get(host) if view.api is not None else None
    return cordoned(node) and cordoned_by_us(node)


def _move(draft: Draft, host: str, needs: Sequence[str | None]) -> str:
    view = draft.view
    version, was = view.spec.version, versions.kubelet(view, host)
    drained = draft.builder.add(
        draft.via,
        "nodes",
        f"drain-{host}",
        f"drain {host}",
        DrainNode(host, returns=True),
        needs=needs,
        changes=[Change(Verb.RUN, "drain", host, "its pods move to other nodes until it returns")],
        timeout=view.spec.policies.drain_timeout,
    )
    # By the kubelet that runs, while the host's API server is certainly there to be asked.
    configured = draft.builder.add(
        host,
        "node",
        "kubelet",
        "write kubelet's configuration again",
        ReconfigureKubelet(kubelet_fingerprint(view, host)),
        needs=[drained, *draft.prepared(host)],
        changes=[Change(Verb.UPDATE, "kubelet", host, f"{was} -> {version}")],
    )
    moved = runtime.turn(draft, host, "node", [configured])
    return runtime.well(draft, host, "node", moved or configured)


def _return(draft: Draft, host: str, after: str | None) -> str:
    return draft.builder.add(
        draft.via,
        "nodes",
        f"return-{host}",
        f"{host} takes pods again",
        ReturnNode(host, draft.view.spec.version, _dns(draft.view)),
        needs=[after] if after is not None else draft.reached,
        changes=[Change(Verb.RUN, "uncordon", host)],
        timeout=600.0,
    )


def _dns(view: View) -> int:
    """CoreDNS pods that serve now."""
    live = view.api.objects.get(DNS) if view.api is not None else None
    found = serving(DNS, live) if live is not None else None
    return min(found.available, found.wanted) if found is not None else 0
