"""kubeadm join: how hosts come into a cluster, control-plane hosts and workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kanae.layout import marks, ports
from kanae.layout import paths as at
from kanae.plan.actions import ClearNode, KubeadmJoin, MintToken
from kanae.plan.control_plane import (
    STATIC_PODS,
    control_plane_fingerprint,
    kubelet_fingerprint,
    manifest,
)
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.preflight import on_own_disk
from kanae.plan.rolling import in_turn
from kanae.plan.view import View
from kanae.render import kubeadm
from kanae.render.documents import to_yaml
from kanae.spec.models import EtcdTopology, Role

# Workers that join together. Three hundred at once time out at the API servers (kubeadm#3181).
AT_ONCE: Final = 20


def plan(draft: Draft) -> None:
    """Every host joins with what the cluster's ConfigMaps say, so they must be the new ones, and by
    the endpoint.

    With stacked etcd each control-plane join adds an etcd member, and etcd takes one at a time;
    with external etcd they run together. Workers do, so many at a time. None joins while no API
    server answers: whether it would let them register cannot be told.
    """
    view = draft.view
    joining = [
        host
        for host in view.spec.nodes
        if host in view.reachable and not view.joined(host) and host != draft.first
    ]
    if not joining or view.unanswered:
        return
    token = None
    if draft.at.init is None:
        token = draft.builder.add(
            draft.via,
            "control-plane",
            "token",
            "make a bootstrap token",
            MintToken(view.spec.name),
            # The API server of a lone control-plane host is away while it changes.
            needs=draft.reached,
            timeout=60.0,
        )
    common = [
        token,
        draft.at.registration,
        *draft.reached,
        *draft.at.left,
    ]

    def join(host: str, needs: Sequence[str | None]) -> str:
        clear = _clear(draft, host) if _half_joined(view, host) else None
        step = _join(draft, host, [*common, clear, *needs], cleared=clear is not None)
        draft.at.joins[host] = step
        return step

    masters = [host for host in joining if _is_control_plane(view, host)]
    stacked = view.spec.etcd_topology is EtcdTopology.STACKED
    in_turn(masters, join, at_once=1 if stacked else max(1, len(masters)))
    in_turn([host for host in joining if host not in masters], join, at_once=AT_ONCE)


def _join(draft: Draft, host: str, needs: Sequence[str | None], *, cleared: bool) -> str:
    view = draft.view
    control_plane = _is_control_plane(view, host)
    kind = "control plane" if control_plane else "worker"
    documents = kubeadm.join_documents(
        view.spec, host, view.base(host), control_plane=control_plane
    )
    return draft.builder.add(
        host,
        "control-plane" if control_plane else "workers",
        "join",
        f"kubeadm join ({kind})",
        KubeadmJoin(
            to_yaml(documents),
            control_plane_fingerprint(view, host) if control_plane else "worker",
            kubelet_fingerprint(view, host),
            control_plane,
            draft.via,
            on_own_disk(view.spec, view.host(host), cleared=cleared),
        ),
        needs=[*needs, *draft.prepared(host)],
        changes=[Change(Verb.RUN, "kubeadm join", view.spec.endpoint_host, kind)],
        timeout=600.0,
    )


def _is_control_plane(view: View, host: str) -> bool:
    return Role.CONTROL_PLANE in view.spec.hosts[host].roles


def _half_joined(view: View, host: str) -> bool:
    traces = (at.KUBELET_CONF, at.BOOTSTRAP_KUBELET_CONF, *map(manifest, STATIC_PODS))
    facts = view.host(host)
    found = any(facts.files.get(path) is not None for path in traces)
    return found or marks.CLEARING in facts.marks


def _clear(draft: Draft, host: str) -> str:
    spec = draft.view.spec
    control_plane = _is_control_plane(draft.view, host)
    stacked = spec.etcd_topology is EtcdTopology.STACKED and control_plane
    peer = f"https://{spec.hosts[host].address}:{ports.ETCD_PEER}" if stacked else ""
    return draft.builder.add(
        host,
        "control-plane",
        "clear",
        "take away what an interrupted join left",
        ClearNode(host, draft.via, control_plane, peer, str(spec.etcd.data_dir)),
        needs=[draft.at.init],
        changes=[Change(Verb.DELETE, "node", host, "left by an interrupted join")],
    )
