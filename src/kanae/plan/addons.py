"""kubeadm's own add-ons, where somebody removed them or the spec changes their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kanae.facts.model import ApiFact, ObjectKey, Query
from kanae.facts.workloads import DNS, PROXY
from kanae.layout import marks
from kanae.plan.actions import Addon
from kanae.plan.draft import Draft
from kanae.plan.endpoint import server, servers
from kanae.plan.model import Change, Verb
from kanae.render import kubeadm
from kanae.render.documents import to_yaml
from kanae.render.objects import covers
from kanae.resources.model import text_diff
from kanae.spec.models import Role, Spec

# What `kubeadm init` leaves in kube-system beside the static pods, by add-on.
ADDONS = {
    "kube-proxy": (
        ObjectKey("serviceaccounts", "kube-system", "kube-proxy"),
        ObjectKey("configmaps", "kube-system", "kube-proxy"),
        PROXY,
    ),
    "coredns": (
        ObjectKey("serviceaccounts", "kube-system", "coredns"),
        ObjectKey("configmaps", "kube-system", "coredns"),
        ObjectKey("services", "kube-system", "kube-dns"),
        DNS,
    ),
}

RESTART_DUE: Final = marks.RESTART + PROXY.name


def query(spec: Spec, host: str) -> Query:
    if Role.CONTROL_PLANE not in spec.hosts[host].roles:
        return Query()
    return Query(cluster=True, objects=tuple(key for keys in ADDONS.values() for key in keys))


def plan(draft: Draft) -> None:
    view = draft.view
    api = view.api
    if not view.joined_control_planes or api is None:
        return
    # A run that was cut off has written the settings, and kube-proxy runs with the old ones.
    due = [host for host in view.joined_control_planes if view.mark(host, RESTART_DUE) is not None]
    host = due[0] if due else draft.via
    documents = kubeadm.init_documents(view.spec, host, view.base(host))
    config = to_yaml(documents)
    for name, keys in ADDONS.items():
        changes = [
            Change(Verb.CREATE, key.resource, f"{key.namespace}/{key.name}", "is missing")
            for key in keys
            if key not in api.objects
        ]
        restart = False
        if name == "kube-proxy" and (due or not changes):
            if due:
                changes.append(Change(Verb.RUN, "restart", PROXY.name, "is due"))
            else:
                changes = _proxy_settings(view.spec, api, documents)
            restart = bool(changes)
        if changes:
            draft.builder.add(
                host,
                "add-ons",
                name,
                f"apply {name} again",
                Addon(name, config, restart),
                needs=draft.reached,
                changes=changes,
            )


def _proxy_settings(
    spec: Spec, api: ApiFact, documents: Sequence[Mapping[str, object]]
) -> list[Change]:
    key = ADDONS["kube-proxy"][1]
    wanted = next(doc for doc in documents if doc["kind"] == "KubeProxyConfiguration")
    changes: list[Change] = []
    old_config = kubeadm.held(api.objects[key], "config.conf")
    if not covers(old_config, wanted):
        old, new = to_yaml([old_config]), to_yaml([wanted])
        diff = text_diff(old, new, key.name)
        changes.append(Change(Verb.UPDATE, "configmaps", key.name, diff=diff))
    # Without it kube-proxy reaches the API some other way, which somebody has chosen.
    was = servers(kubeadm.held(api.objects[key], "kubeconfig.conf"))
    if elsewhere := sorted(was - {server(spec)}):
        told = f"{', '.join(elsewhere)} -> {server(spec)}"
        changes.append(Change(Verb.UPDATE, "configmaps", key.name, told))
    return changes
