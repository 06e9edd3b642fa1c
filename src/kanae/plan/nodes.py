"""Labels and taints of Node objects, and waiting until nodes are Ready."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from kanae.facts.nodes import readiness
from kanae.facts.workloads import serving, workloads
from kanae.plan.actions import AwaitNodes, SetNode
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.view import View
from kanae.render.kubeadm import taints
from kanae.render.objects import key_of
from kanae.spec.models import PodNetworkProvider

# An annotation of ours with the label keys that came from the spec, so that one that leaves the
# spec is taken off again and nobody else's ever is.
OWNED = "kanae.dev/labels"
# Taints that Kubernetes itself sets and removes.
TRANSIENT = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")


def plan(draft: Draft) -> None:
    """Wait for nodes when something was done that they have to come through; then labels and
    taints that differ."""
    _note_waiting(draft)
    ready = _ready(draft)
    view = draft.view
    coming = {**draft.at.joins, draft.first: draft.at.init} if draft.first else draft.at.joins
    for host in view.spec.nodes:
        node = view.api.nodes.get(host) if view.api is not None else None
        labels = view.spec.hosts[host].labels
        if host in coming or node is None:
            if not labels or host not in coming:
                continue
            changes = [Change(Verb.CREATE, "label", f"{host}: {k}={v}") for k, v in labels.items()]
            action = SetNode(host, tuple(labels.items()))
        else:
            found = _compare(view, host, node)
            if found is None:
                continue
            action, changes = found
        draft.builder.add(
            draft.via,
            "nodes",
            f"set-{host}",
            f"labels and taints of {host}",
            action,
            needs=[coming.get(host), ready] if host in coming else draft.reached,
            changes=changes,
        )


def _ready(draft: Draft) -> str | None:
    """All nodes come through a new pod network, and those alone that join through their joining."""
    at, spec = draft.at, draft.view.spec
    if at.init is None and at.network is None and not at.joins:
        return None
    every = at.init is not None or at.network is not None
    network = spec.networks.pod_network.provider is not PodNetworkProvider.NONE
    who = "all nodes are" if every else "nodes that have joined are"
    return draft.builder.add(
        draft.via,
        "nodes",
        "ready",
        f"wait until {who} Ready and cluster DNS serves" if network else "wait for nodes",
        AwaitNodes(spec.nodes if every else tuple(at.joins), network),
        needs=[at.init, at.network, *at.joins.values()],
        timeout=300.0,
    )


def _note_waiting(draft: Draft) -> None:
    """Say which joined nodes are not Ready, and which of the pods that all others need do not
    serve: nothing to change, but nothing to be content with."""
    view = draft.view
    if view.api is None:
        if view.unanswered:
            draft.builder.note(
                "no API server answers: nodes and objects in the cluster were not compared; "
                "plan again when it does"
            )
        return
    if view.spec.networks.pod_network.provider is PodNetworkProvider.NONE:
        return
    for host in view.spec.nodes:
        if view.joined(host) and not readiness(view.api.nodes.get(host)).ready:
            draft.builder.note(f"node {host} is not Ready (kubectl describe node {host} says why)")
    for key in workloads(map(key_of, view.site.manifests)):
        found = serving(key, view.api.objects.get(key, {}))
        if found is not None and not found.all:
            where = f"kubectl -n {key.namespace} get pods" if key.namespace else "kubectl get pods"
            draft.builder.note(f"{key.name}: {found} ({where} says which)")


def _compare(
    view: View, host: str, node: Mapping[str, object]
) -> tuple[SetNode, list[Change]] | None:
    metadata = cast("Mapping[str, Mapping[str, str]]", node.get("metadata", {}))
    have = metadata.get("labels", {})
    wanted = view.spec.hosts[host].labels
    owned = metadata.get("annotations", {}).get(OWNED, "").split(",")
    changes = [
        Change(Verb.UPDATE if key in have else Verb.CREATE, "label", f"{host}: {key}={value}")
        for key, value in wanted.items()
        if have.get(key) != value
    ]
    gone = tuple(key for key in owned if key and key in have and key not in wanted)
    changes += [Change(Verb.DELETE, "label", f"{host}: {key}") for key in gone]
    spec = cast("Mapping[str, Sequence[Mapping[str, str]]]", node.get("spec", {}))
    live: list[Mapping[str, str]] = [
        taint for taint in spec.get("taints", ()) if not taint["key"].startswith(TRANSIENT)
    ]
    wanted_taints = cast("list[Mapping[str, str]]", taints(view.spec, host))
    text = ""
    if _set(live) != _set(wanted_taints):
        kept = [taint for taint in spec.get("taints", ()) if taint["key"].startswith(TRANSIENT)]
        text = json.dumps([*kept, *wanted_taints], sort_keys=True)
        was, will = (", ".join(sorted(_set(each))) or "none" for each in (live, wanted_taints))
        changes.append(Change(Verb.UPDATE, "taints", host, f"{was} -> {will}"))
    if not changes:
        return None
    return SetNode(host, tuple(wanted.items()), gone, text), changes


def _set(each: Sequence[Mapping[str, str]]) -> set[str]:
    return {
        f"{taint['key']}{'=' + taint['value'] if taint.get('value') else ''}:{taint['effect']}"
        for taint in each
    }
