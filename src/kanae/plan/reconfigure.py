"""Bringing living hosts to the configuration of the spec: ConfigMaps, static pods, kubelets."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.layout import marks, ports, units
from kanae.layout import paths as at
from kanae.plan import versions
from kanae.plan.actions import ReconfigureControlPlane, ReconfigureKubelet, UploadConfig
from kanae.plan.control_plane import (
    STATIC_PODS,
    control_plane_fingerprint,
    edited,
    kubelet_fingerprint,
    manifest,
    recorded,
)
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.view import View
from kanae.plan.waits import await_api, await_kubelet
from kanae.render import kubeadm
from kanae.render.documents import to_yaml
from kanae.render.objects import covers
from kanae.resources.model import text_diff

# What kubeadm writes in init or join and never again, with the mark that has its digest.
_ONCE = ((at.KUBELET_FLAGS, marks.KUBELET), (manifest("etcd"), marks.MANIFESTS))


def plan(draft: Draft) -> None:
    _note_edited(draft)
    view = draft.view
    upload = _upload(draft)

    def static_pods(host: str, needs: Sequence[str | None]) -> str | None:
        return _static_pods(draft, host, [upload, draft.at.in_cluster, *needs])

    def kubelet(host: str, needs: Sequence[str | None]) -> str | None:
        return _kubelet(draft, host, [upload, *draft.at.balancers, *needs])

    # One whose API server was taken away, as of a host that was to leave, comes back before any
    # other is touched.
    server = manifest("kube-apiserver")
    steps = draft.rolling.roll(
        sorted(
            view.joined_control_planes,
            key=lambda host: view.host(host).files.get(server) is not None,
        ),
        static_pods,
        # A certificate that was made anew is read within a minute; others are led there after that.
        lambda host, step: await_api(
            draft, host, "control-plane", "ready", step, view.spec.endpoint_host
        ),
        serves=lambda _: True,
    )
    steps += draft.rolling.roll(
        [host for host in view.spec.nodes if view.joined(host)],
        kubelet,
        lambda host, step: await_kubelet(draft, host, "kubelet", "healthy", step),
        serves=lambda host: view.active(host, units.KUBELET),
    )
    draft.at.reconfigured = [*([] if upload is None else [upload]), *steps]


def _note_edited(draft: Draft) -> None:
    """Say what differs from what kubeadm wrote and is not written again by any of its phases."""
    view = draft.view
    for host in view.spec.nodes:
        if host not in view.reachable or not view.joined(host):
            continue
        facts = view.host(host)
        for path, mark in _ONCE:
            if path in recorded(facts, mark) and edited(facts, mark, [path]):
                there = facts.files.get(path) is not None
                draft.builder.note(
                    f"{host}: {path} {'was edited by hand' if there else 'is missing'}; kubeadm "
                    "wrote it once and kanae does not: put back what it was"
                )
        if facts.files.get(at.KUBELET_CONF) is None:
            draft.builder.note(
                f"{host}: {at.KUBELET_CONF} is missing, without which kubelet cannot start; put "
                "it back, or delete the node and join the host anew"
            )


def _static_pods(draft: Draft, host: str, needs: Sequence[str | None]) -> str | None:
    view = draft.view
    if versions.moves(view, host):
        # An upgrade writes them, from the same configuration.
        return None
    facts = view.host(host)
    wrong = edited(facts, marks.MANIFESTS, list(map(manifest, STATIC_PODS)))
    fingerprint = control_plane_fingerprint(view, host)
    stale = facts.marks.get(marks.JOINED, "").strip() != fingerprint
    if not wrong and not stale:
        return None
    changes = [_change(view, host, "static pod", path) for path in wrong]
    if stale:
        changes.append(Change(Verb.UPDATE, "control plane", host, "configuration changes"))
    config = to_yaml(kubeadm.init_documents(view.spec, host, facts.base))
    return draft.builder.add(
        host,
        "control-plane",
        "reconfigure",
        "write the static pods again",
        ReconfigureControlPlane(
            config, fingerprint, str(view.spec.hosts[host].address), ports.API_SERVER
        ),
        needs=[*needs, *draft.prepared(host)],
        changes=changes,
        timeout=600.0,
    )


def _change(view: View, host: str, kind: str, path: str) -> Change:
    if view.host(host).files.get(path) is None:
        return Change(Verb.CREATE, kind, path, "is missing")
    return Change(Verb.UPDATE, kind, path, "edited by hand")


def _kubelet(draft: Draft, host: str, needs: Sequence[str | None]) -> str | None:
    view = draft.view
    if versions.node_moves(view, host):
        # Its configuration comes with the new kubelet.
        return None
    facts = view.host(host)
    fingerprint = kubelet_fingerprint(view, host)
    lines = facts.marks.get(marks.KUBELET, "").splitlines()
    stale = not lines or lines[0] != fingerprint
    if not stale and not edited(facts, marks.KUBELET, [at.KUBELET_CONFIG]):
        return None
    present = facts.files.get(at.KUBELET_CONFIG)
    detail = "configuration changes" if stale else "edited by hand" if present else "is missing"
    return draft.builder.add(
        host,
        "kubelet",
        "reconfigure",
        "write kubelet's configuration again",
        ReconfigureKubelet(fingerprint),
        needs=[*needs, *draft.prepared(host)],
        changes=[Change(Verb.UPDATE, "kubelet", at.KUBELET_CONFIG, detail)],
    )


def _upload(draft: Draft) -> str | None:
    """kubeadm's ConfigMaps, when what they hold is not what the spec says."""
    view = draft.view
    api, host = view.api, draft.via
    if not view.joined_control_planes or api is None:
        return None
    documents = kubeadm.init_documents(view.spec, host, view.base(host))
    changes: list[Change] = []
    for key, field, kind in kubeadm.CONFIG_MAPS:
        live = api.objects.get(key)
        wanted = next(document for document in documents if document["kind"] == kind)
        old_config = kubeadm.held(live, field)
        if live is None:
            changes.append(Change(Verb.CREATE, "config map", key.name))
        elif not covers(old_config, wanted):
            old, new = to_yaml([old_config]), to_yaml([wanted])
            changes.append(
                Change(Verb.UPDATE, "config map", key.name, diff=text_diff(old, new, key.name))
            )
    if not changes:
        return None
    return draft.builder.add(
        host,
        "control-plane",
        "upload-config",
        "upload kubeadm's configuration",
        UploadConfig(to_yaml(documents)),
        needs=[*draft.at.delivered, *draft.at.balancers, *draft.prepared(host)],
        changes=changes,
    )
