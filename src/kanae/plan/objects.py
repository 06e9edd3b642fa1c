"""Kubernetes objects: what is wanted against what is there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from kanae.facts.model import ApiFact, ObjectKey
from kanae.plan.actions import Addon, ApplyObjects
from kanae.plan.builder import Builder
from kanae.plan.model import Change, Verb
from kanae.plan.view import View
from kanae.render import kubeadm
from kanae.render.documents import to_yaml
from kanae.render.objects import covers, key_of
from kanae.resources.model import text_diff

# What `kubeadm init` leaves in kube-system beside the static pods, by add-on.
ADDONS = {
    "kube-proxy": (
        ObjectKey("serviceaccounts", "kube-system", "kube-proxy"),
        ObjectKey("configmaps", "kube-system", "kube-proxy"),
        ObjectKey("daemonsets.apps", "kube-system", "kube-proxy"),
    ),
    "coredns": (
        ObjectKey("serviceaccounts", "kube-system", "coredns"),
        ObjectKey("configmaps", "kube-system", "coredns"),
        ObjectKey("services", "kube-system", "kube-dns"),
        ObjectKey("deployments.apps", "kube-system", "coredns"),
    ),
}


def plan_addons(view: View, builder: Builder, needs: Sequence[str | None]) -> None:
    """kubeadm's add-ons that somebody removed, or whose settings the spec changes."""
    api = view.api
    if not view.alive or api is None:
        return
    host = view.alive[0]
    documents = kubeadm.init_documents(view.spec, host, view.host(host).base)
    config = to_yaml(documents)
    for name, keys in ADDONS.items():
        changes = [
            Change(Verb.CREATE, key.resource, f"{key.namespace}/{key.name}", "is missing")
            for key in keys
            if key not in api.objects
        ]
        restart = False
        if name == "kube-proxy" and not changes:
            changes = _proxy_settings(api, documents)
            restart = bool(changes)
        if changes:
            builder.add(
                host,
                "add-ons",
                name,
                f"apply {name} again",
                Addon(name, config, restart),
                needs=needs,
                changes=changes,
            )


def _proxy_settings(api: ApiFact, documents: Sequence[Mapping[str, object]]) -> list[Change]:
    key = ADDONS["kube-proxy"][1]
    wanted = next(doc for doc in documents if doc["kind"] == "KubeProxyConfiguration")
    old_config = kubeadm.held(api.objects[key], "config.conf")
    if covers(old_config, wanted):
        return []
    old, new = to_yaml([old_config]), to_yaml([wanted])
    return [Change(Verb.UPDATE, "configmaps", key.name, diff=text_diff(old, new, key.name))]


def plan_network(view: View, builder: Builder, needs: Sequence[str | None]) -> str | None:
    """Objects of the pod network and of manifests, applied by one step on a control-plane host.

    None also when a living cluster's API does not answer: what is there cannot be told then.
    """
    api = view.api
    if not view.manifests or (view.alive and api is None):
        return None
    missing: list[Mapping[str, object]] = []
    changes: list[Change] = []
    for document in view.manifests:
        key = key_of(document)
        live = api.objects.get(key) if api is not None else None
        subject = f"{key.namespace}/{key.name}" if key.namespace else key.name
        if live is None:
            changes.append(Change(Verb.CREATE, key.resource, subject))
        elif not covers(live, document):
            changes.append(Change(Verb.UPDATE, key.resource, subject, diff=_diff(live, document)))
        else:
            continue
        missing.append(document)
    if not missing:
        return None
    host = view.alive[0] if view.alive else view.control_planes[0]
    return builder.add(
        host,
        "pod-network",
        "apply",
        f"apply the pod network ({view.spec.networks.pod_network.provider.value})",
        ApplyObjects(tuple(json.dumps(document, sort_keys=True) for document in missing)),
        needs=needs,
        changes=changes,
    )


def _diff(live: Mapping[str, object], wanted: Mapping[str, object]) -> str:
    """Only the fields that are wanted, as they are and as they should be."""
    old = json.dumps(_common(live, wanted), indent=1, sort_keys=True)
    new = json.dumps(wanted, indent=1, sort_keys=True)
    return text_diff(old, new, "object")


def _common(live: object, wanted: object) -> object:
    if isinstance(live, Mapping) and isinstance(wanted, Mapping):
        have = cast("Mapping[str, object]", live)
        want = cast("Mapping[str, object]", wanted)
        return {key: _common(have[key], value) for key, value in want.items() if key in have}
    if isinstance(live, list) and isinstance(wanted, list):
        pairs = zip(cast("list[object]", live), cast("list[object]", wanted), strict=False)
        return [_common(have, want) for have, want in pairs]
    return cast("object", live)
