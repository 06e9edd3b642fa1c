"""kubeadm's control plane: how it is made, and what tells that it has to be made again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from kanae.facts.model import HostFacts, Query
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.plan.actions import KubeadmInit
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.preflight import left_by_init, on_own_disk, restored
from kanae.plan.view import View
from kanae.render import api_server, kubeadm
from kanae.render.documents import to_yaml
from kanae.render.kubelet_config import kubelet_configuration, kubelet_patch
from kanae.spec.models import Role, Spec

STATIC_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def query(spec: Spec, host: str) -> Query:
    """What kubeadm has left on a host, which images static pods have, and the API server there."""
    files: tuple[str, ...] = ()
    if host in spec.nodes:
        files = (at.KUBELET_CONF, at.BOOTSTRAP_KUBELET_CONF, at.KUBELET_CONFIG, at.KUBELET_FLAGS)
    if Role.CONTROL_PLANE not in spec.hosts[host].roles:
        return Query(files=files)
    manifests = tuple(map(manifest, (*STATIC_PODS, "etcd")))
    return Query(
        files=(*files, at.ADMIN_CONF, *manifests),
        contents=manifests[: len(STATIC_PODS)],
        cluster=True,
        objects=tuple(key for key, _, _ in kubeadm.CONFIG_MAPS),
        address=str(spec.hosts[host].address),
    )


def manifest(pod: str) -> str:
    return f"{at.MANIFESTS}/{pod}.yaml"


def control_plane_fingerprint(view: View, host: str) -> str:
    """Changes exactly when the static pod manifests of this host have to be written again."""
    documents = kubeadm.init_documents(view.spec, host, view.base(host))
    init = next(each for each in documents if each["kind"] == "InitConfiguration")
    cluster = next(each for each in documents if each["kind"] == "ClusterConfiguration")
    # Of the rest of InitConfiguration (taints, timeouts) nothing is in a manifest.
    text = to_yaml([{"localAPIEndpoint": init["localAPIEndpoint"]}, cluster])
    text += api_server.patch(view.spec) or ""
    return hashlib.sha256(text.encode()).hexdigest()


def kubelet_fingerprint(view: View, host: str) -> str:
    """Changes exactly when kubelet's configuration on this host has to be written again."""
    patch = kubelet_patch(view.spec, host, view.base(host))
    text = to_yaml([kubelet_configuration(view.spec)]) + patch
    return hashlib.sha256(text.encode()).hexdigest()


def edited(facts: HostFacts, mark: str, paths: Sequence[str]) -> list[str]:
    """Those paths that are missing, or whose content is not what `sha256sum` recorded in the
    mark."""
    was = recorded(facts, mark)
    wrong: list[str] = []
    for path in paths:
        fact = facts.files.get(path)
        if fact is None or fact.sha256 != was.get(path, fact.sha256):
            wrong.append(path)
    return wrong


def recorded(facts: HostFacts, mark: str) -> Mapping[str, str]:
    """Path -> sha256 of what kubeadm wrote there."""
    lines = (line.split() for line in facts.marks.get(mark, "").splitlines())
    return {words[1]: words[0] for words in lines if len(words) == 2}


def first_host(view: View) -> str:
    """Where `kubeadm init` runs: where it was begun, else the first control-plane host; "" when
    the cluster is there."""
    if view.joined_control_planes:
        return ""
    begun = [
        host for host in view.control_planes if view.mark(host, marks.INIT_STARTED) is not None
    ]
    return begun[0] if begun else view.control_planes[0]


def plan(draft: Draft) -> None:
    """The step that makes the cluster, unless a control-plane host has joined already."""
    view, host = draft.view, draft.first
    if not host:
        return
    resume = view.mark(host, marks.INIT_STARTED) is not None
    documents = kubeadm.init_documents(view.spec, host, view.base(host))
    draft.at.init = draft.builder.add(
        host,
        "control-plane",
        "init",
        "kubeadm init" + (" (resume an interrupted one)" if resume else ""),
        KubeadmInit(
            to_yaml(documents),
            control_plane_fingerprint(view, host),
            kubelet_fingerprint(view, host),
            view.spec.name,
            left_by_init(view.spec)
            if resume
            else restored(view.spec, host)
            if view.site.backup is not None
            else on_own_disk(view.spec, view.host(host), cleared=False),
        ),
        needs=draft.prepared(host),
        changes=[Change(Verb.RUN, "kubeadm init", view.spec.endpoint_host, f"as {host}")],
        timeout=600.0,
    )
