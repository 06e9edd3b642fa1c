"""kubeadm's own add-ons, where somebody removed or changed them or the spec changes their settings;
and the Service of CoreDNS, of which kubeadm has no patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kanae.facts.model import ApiFact, ObjectKey, Query
from kanae.facts.workloads import DNS, PROXY, images
from kanae.layout import marks
from kanae.plan.actions import Addon, ApplyObjects
from kanae.plan.draft import Draft, StepId
from kanae.plan.endpoint import server, servers
from kanae.plan.model import Change, Verb
from kanae.plan.objects import compared
from kanae.plan.upgrade_actions import AwaitRollout
from kanae.plan.view import View
from kanae.render import coredns, kubeadm
from kanae.render.documents import to_yaml
from kanae.render.objects import applied, covers
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
    return Query(
        cluster=True,
        objects=tuple(key for keys in ADDONS.values() for key in keys),
        applied=(applied(coredns.service()),),
    )


def plan(draft: Draft) -> None:
    """Not while a living cluster's API does not answer: what is there cannot be told then."""
    view = draft.view
    if view.unanswered:
        return
    written: dict[str, str] = {}
    if view.joined_control_planes and view.api:
        written = _addons(draft, view.api)
    _service(draft, written.get("coredns"))
    if draft.at.upgrading:
        # An upgrade goes on to the nodes: none is drained while cluster DNS is short of pods.
        draft.at.addons = [_await_rollout(draft, [*draft.reached, *written.values()])]


def _await_rollout(draft: Draft, after: Sequence[StepId]) -> str:
    return draft.builder.add(
        draft.via,
        "add-ons",
        "rolled-out",
        "wait for the add-ons' new pods",
        AwaitRollout(tuple(f"{key.resource}/{key.name}" for key in (DNS, PROXY))),
        needs=after,
        timeout=900.0,
    )


def _addons(draft: Draft, api: ApiFact) -> dict[str, str]:
    """The steps that write them anew, by add-on. CoreDNS's waits for hosts that join, but for
    none that leaves: where every node has a pod, one that is evicted finds no node until there are
    fewer pods, and a budget that the operator gave CoreDNS lets no other be evicted meanwhile.
    """
    view, at = draft.view, draft.at
    # A run that was cut off has written the settings, and kube-proxy runs with the old ones.
    due = [host for host in view.joined_control_planes if view.mark(host, RESTART_DUE) is not None]
    host = due[0] if due else draft.via
    documents = kubeadm.init_documents(view.spec, host, view.base(host))
    config = to_yaml(documents)
    written: dict[str, str] = {}
    hosts_are_there = [*at.patched.get(host, ()), *at.joins.values()]
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
        if name == "coredns" and not changes:
            changes = _dns_settings(view.spec, api)
        changes += _image(view, name, api)
        if changes:
            written[name] = draft.builder.add(
                host,
                "add-ons",
                name,
                f"apply {name} again",
                Addon(name, config, restart),
                needs=[*draft.reached, *(hosts_are_there if name == "coredns" else [])],
                changes=changes,
            )
    return written


def _image(view: View, name: str, api: ApiFact) -> list[Change]:
    """Another version than the release's. An image of somebody else's is left as it is."""
    key = {"coredns": DNS, "kube-proxy": PROXY}[name]
    wanted = view.site.release.image_references()[name]
    found = [
        image
        for image in images(api.objects.get(key, {}))
        if image.rpartition(":")[0] == wanted.rpartition(":")[0] and image != wanted
    ]
    return [Change(Verb.UPDATE, key.resource, key.name, f"{image} -> {wanted}") for image in found]


def _dns_settings(spec: Spec, api: ApiFact) -> list[Change]:
    """Also when somebody ran kubeadm without the patch that says them."""
    have, want = coredns.found(api.objects[DNS]), coredns.wanted(spec)
    if have == want:
        return []
    diff = text_diff(to_yaml([have]), to_yaml([want]), DNS.name)
    return [Change(Verb.UPDATE, DNS.resource, f"{DNS.namespace}/{DNS.name}", diff=diff)]


def _service(draft: Draft, written: StepId) -> None:
    """Again after kubeadm has written the Service with CoreDNS, which drops what is not its own."""
    document = coredns.service()
    change = compared(draft.view.api, document)
    if change is None and written is None:
        return
    draft.builder.add(
        draft.via,
        "add-ons",
        "kube-dns",
        "let nodes ask their own CoreDNS pod first",
        ApplyObjects((applied(document).text,)),
        needs=[*draft.reached, written],
        changes=[change] if change is not None else [],
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
