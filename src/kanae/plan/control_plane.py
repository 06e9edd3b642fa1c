"""kubeadm's part: the first control-plane host, joins, and changes of what they were built from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from kanae.facts.model import HostFacts
from kanae.layout import marks, ports
from kanae.layout import paths as at
from kanae.plan.actions import (
    AwaitApi,
    ClearNode,
    KubeadmInit,
    KubeadmJoin,
    MintToken,
    ReconfigureControlPlane,
    ReconfigureKubelet,
    UploadConfig,
)
from kanae.plan.builder import Builder
from kanae.plan.model import Change, Verb
from kanae.plan.preflight import left_by_init
from kanae.plan.view import View
from kanae.render import api_server, kubeadm
from kanae.render.documents import to_yaml
from kanae.render.kubelet_config import kubelet_configuration, kubelet_patch
from kanae.render.objects import covers
from kanae.resources.model import text_diff
from kanae.spec.models import Role

Needs = Mapping[str, Sequence[str | None]]
STATIC_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def control_plane_fingerprint(view: View, host: str) -> str:
    """Changes exactly when the static pod manifests of this host have to be written again."""
    documents = kubeadm.init_documents(view.spec, host, view.host(host).base)
    init = next(each for each in documents if each["kind"] == "InitConfiguration")
    cluster = next(each for each in documents if each["kind"] == "ClusterConfiguration")
    # Of the rest of InitConfiguration (taints, timeouts) nothing is in a manifest.
    text = to_yaml([{"localAPIEndpoint": init["localAPIEndpoint"]}, cluster])
    text += api_server.patch(view.spec) or ""
    return hashlib.sha256(text.encode()).hexdigest()


def kubelet_fingerprint(view: View, host: str) -> str:
    """Changes exactly when kubelet's configuration on this host has to be written again."""
    patch = kubelet_patch(view.spec, host, view.host(host).base)
    text = to_yaml([kubelet_configuration(view.spec)]) + patch
    return hashlib.sha256(text.encode()).hexdigest()


def first_host(view: View) -> str:
    """Where `kubeadm init` runs: where it was begun, else the first control-plane host."""
    begun = [
        host for host in view.control_planes if view.mark(host, marks.INIT_STARTED) is not None
    ]
    return begun[0] if begun else view.control_planes[0]


def plan_init(view: View, builder: Builder, needs: Needs) -> str | None:
    """The step that makes the cluster, or None when a control-plane host has joined already."""
    if view.alive:
        return None
    host = first_host(view)
    resume = view.mark(host, marks.INIT_STARTED) is not None
    documents = kubeadm.init_documents(view.spec, host, view.host(host).base)
    return builder.add(
        host,
        "control-plane",
        "init",
        "kubeadm init" + (" (go on with an interrupted one)" if resume else ""),
        KubeadmInit(
            to_yaml(documents),
            control_plane_fingerprint(view, host),
            kubelet_fingerprint(view, host),
            view.spec.name,
            left_by_init(view.spec) if resume else (),
        ),
        needs=needs.get(host, ()),
        changes=[Change(Verb.RUN, "kubeadm init", view.spec.endpoint_host, f"as {host}")],
        timeout=600.0,
    )


def plan_joins(
    view: View, builder: Builder, needs: Needs, init: str | None, gates: Sequence[str | None]
) -> dict[str, str]:
    """Steps by which hosts join; host -> its step. gates: what every join needs besides init.

    With stacked etcd each control-plane join adds an etcd member, and etcd takes one at a time;
    with external etcd they run together. Workers always do.
    """
    first = first_host(view) if init is not None else None
    joining = [host for host in view.spec.nodes if host in view.reachable and not view.joined(host)]
    joining = [host for host in joining if host != first]
    if not joining:
        return {}
    source = first or view.alive[0]
    token = None
    if init is None:
        token = builder.add(
            source,
            "control-plane",
            "token",
            "make a bootstrap token",
            MintToken(view.spec.name),
            timeout=60.0,
        )
    steps: dict[str, str] = {}
    previous: str | None = None
    for host in joining:
        control_plane = Role.CONTROL_PLANE in view.spec.hosts[host].roles
        half = _half_joined(view, host)
        clear = _clear(view, builder, host, source, init) if half else None
        serial = previous if control_plane and not view.external else None
        kind = "control plane" if control_plane else "worker"
        steps[host] = builder.add(
            host,
            "control-plane" if control_plane else "workers",
            "join",
            f"kubeadm join ({kind})",
            KubeadmJoin(
                to_yaml(
                    kubeadm.join_documents(
                        view.spec, host, view.host(host).base, control_plane=control_plane
                    )
                ),
                control_plane_fingerprint(view, host) if control_plane else "worker",
                kubelet_fingerprint(view, host),
                control_plane,
                source,
            ),
            needs=[init, token, clear, serial, *gates, *needs.get(host, ())],
            changes=[Change(Verb.RUN, "kubeadm join", view.spec.endpoint_host, kind)],
            timeout=600.0,
        )
        if control_plane:
            previous = steps[host]
    return steps


def _half_joined(view: View, host: str) -> bool:
    facts = view.host(host)
    traces = (at.KUBELET_CONF, at.BOOTSTRAP_KUBELET_CONF, *(_manifest(pod) for pod in STATIC_PODS))
    found = any(facts.files.get(path) is not None for path in traces)
    return found or marks.CLEARING in facts.marks


def _clear(view: View, builder: Builder, host: str, via: str, init: str | None) -> str:
    control_plane = Role.CONTROL_PLANE in view.spec.hosts[host].roles
    stacked = control_plane and not view.external
    peer = f"https://{view.spec.hosts[host].address}:{ports.ETCD_PEER}" if stacked else ""
    return builder.add(
        host,
        "control-plane",
        "clear",
        "take away what an interrupted join left",
        ClearNode(host, via, control_plane, peer, str(view.spec.etcd.data_dir)),
        needs=[init],
        changes=[Change(Verb.DELETE, "node", host, "left by an interrupted join")],
    )


def _manifest(pod: str) -> str:
    return f"{at.MANIFESTS}/{pod}.yaml"


def _edited(facts: HostFacts, mark: str, paths: Sequence[str]) -> list[str]:
    """Those paths whose content is not what `sha256sum` recorded in the mark."""
    recorded = {
        path: digest
        for digest, path in (
            line.split(maxsplit=1)
            for line in facts.marks.get(mark, "").splitlines()
            if len(line.split()) == 2
        )
    }
    wrong: list[str] = []
    for path in paths:
        fact = facts.files.get(path)
        if fact is None or (path in recorded and fact.sha256 != recorded[path]):
            wrong.append(path)
    return wrong


def plan_reconfigure(view: View, builder: Builder, needs: Needs) -> str | None:
    """Steps that bring living hosts to the configuration of the spec, one API server at a time.

    Returns the last of them.
    """
    upload = _upload(view, builder, needs)
    last = upload
    for host in view.alive:
        facts = view.host(host)
        edited = _edited(facts, marks.MANIFESTS, [_manifest(pod) for pod in STATIC_PODS])
        fingerprint = control_plane_fingerprint(view, host)
        stale = facts.marks.get(marks.JOINED, "").strip() != fingerprint
        if not edited and not stale:
            continue
        documents = kubeadm.init_documents(view.spec, host, facts.base)
        config = to_yaml(documents)
        changes = [
            Change(
                Verb.UPDATE if facts.files.get(path) is not None else Verb.CREATE,
                "static pod",
                path,
                "edited by hand" if facts.files.get(path) is not None else "is missing",
            )
            for path in edited
        ]
        if stale:
            changes.append(Change(Verb.UPDATE, "control plane", host, "configuration changes"))
        step = builder.add(
            host,
            "control-plane",
            "reconfigure",
            "write the static pods again",
            ReconfigureControlPlane(
                config, fingerprint, str(view.spec.hosts[host].address), ports.API_SERVER
            ),
            needs=[last, upload, *needs.get(host, ())],
            changes=changes,
            timeout=600.0,
        )
        last = builder.add(
            host,
            "control-plane",
            "ready",
            "wait for the API server",
            AwaitApi(str(view.spec.hosts[host].address), ports.API_SERVER),
            needs=[step],
        )
    for host in view.spec.nodes:
        if not view.joined(host):
            continue
        last = _reconfigure_kubelet(view, builder, host, [last, upload, *needs.get(host, ())])
    return last


def _reconfigure_kubelet(
    view: View, builder: Builder, host: str, needs: Sequence[str | None]
) -> str | None:
    """One kubelet after another: a bad setting then stops at the first host."""
    facts = view.host(host)
    fingerprint = kubelet_fingerprint(view, host)
    lines = facts.marks.get(marks.KUBELET, "").splitlines()
    stale = not lines or lines[0] != fingerprint
    edited = _edited(facts, marks.KUBELET, [at.KUBELET_CONFIG])
    if not stale and not edited:
        return needs[0]
    present = facts.files.get(at.KUBELET_CONFIG)
    detail = "configuration changes" if stale else "edited by hand" if present else "is missing"
    return builder.add(
        host,
        "kubelet",
        "reconfigure",
        "write kubelet's configuration again",
        ReconfigureKubelet(fingerprint),
        needs=needs,
        changes=[Change(Verb.UPDATE, "kubelet", at.KUBELET_CONFIG, detail)],
    )


def _upload(view: View, builder: Builder, needs: Needs) -> str | None:
    """kubeadm's ConfigMaps, when what they hold is not what the spec says."""
    api = view.api
    if not view.alive or api is None:
        return None
    host = view.alive[0]
    documents = kubeadm.init_documents(view.spec, host, view.host(host).base)
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
    return builder.add(
        host,
        "control-plane",
        "upload-config",
        "upload kubeadm's configuration",
        UploadConfig(to_yaml(documents)),
        needs=needs.get(host, ()),
        changes=changes,
    )
