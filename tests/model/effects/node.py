"""What kubeadm writes on a node."""

from __future__ import annotations

import json
from collections.abc import Iterator

from kanae.layout import marks, units
from kanae.layout import paths as at

from ..machine import SimHost
from ..world import API_SERVER, SERVING, Object, World
from .base import STATIC_PODS


def admin_conf(host: str, server: str) -> str:
    """A kubeconfig as kubeadm writes it, with a key that tests look for where it must not be."""
    return (
        "apiVersion: v1\nkind: Config\n"
        f"clusters:\n- name: kubernetes\n  cluster:\n    server: {server}\n"
        f"users: [{{name: kubernetes-admin, user: {{client-key-data: SECRET-KEY-OF-{host}}}}}]\n"
        "contexts: [{name: c, context: {cluster: kubernetes, user: kubernetes-admin}}]\n"
        "current-context: c\n"
    )


def serving(world: World, host: str, cluster: Object) -> dict[str, str]:
    """An API server's certificate, which here is the names that it is good for, and its key."""
    names = f"{host} {world.address(host)} {' '.join(cluster['apiServer']['certSANs'])}\n"
    return {SERVING: names, at.key(SERVING): names}


def kubelet_conf(server: str) -> str:
    """Without the client's key, which is in a file of its own."""
    return f"clusters:\n- cluster:\n    server: {server}\n"


def member(cluster: Object) -> str:
    """Where a stacked member keeps its data. cluster: the ClusterConfiguration."""
    return f"{cluster['etcd']['local']['dataDir']}/member"


def manifest(world: World, host: SimHost, pod: str, config: Object) -> str:
    """A static pod's manifest, with its image as kubeadm writes it: changes when anything does that
    it is made from."""
    patch = host.files.get(at.API_SERVER_PATCH)
    patched = patch.sha if patch is not None and pod == API_SERVER else ""
    made_from = json.dumps([pod, host.name, config, patched], sort_keys=True)
    return f"{made_from}\n    image: registry.k8s.io/{pod}:{config['kubernetesVersion']}\n"


def write_manifests(world: World, host: SimHost, config: Object) -> Iterator[None]:
    for pod in STATIC_PODS:
        text = manifest(world, host, pod, config)
        path = f"{at.MANIFESTS}/{pod}.yaml"
        changes = host.has(path) and host.text(path) != text
        if pod == API_SERVER and changes and host.active(units.KUBELET):
            host.pods.pop(pod, None)
            yield
        host.write(path, text, 0o600)
        host.sync_pods()
        yield


def kubelet_config(host: SimHost, shared: Object) -> str:
    return json.dumps([shared, host.text(at.KUBELET_PATCH)], sort_keys=True)


def start_kubelet(host: SimHost, shared: Object, verb: str = "restart") -> Iterator[None]:
    host.write(at.KUBELET_CONFIG, kubelet_config(host, shared))
    yield
    host.start(units.KUBELET, verb)
    host.sync_pods()
    yield


def cleared(host: SimHost) -> Iterator[None]:
    """What an interrupted join has left, see execute/scripts/clear.py."""
    if host.active(units.KUBELET):
        host.stop(units.KUBELET)
    yield
    host.remove(at.MANIFESTS)
    yield
    if host.active(units.CONTAINERD):
        host.pods = {}
    yield
    before = set(host.text(at.FOUND_LIST).splitlines()) if host.has(at.FOUND_LIST) else set[str]()
    host.remove(at.KUBELET_STATE, before)
    yield
    for path in [path for path in host.files if path.startswith(f"{at.KUBERNETES}/")]:
        if path.endswith(".conf") and path.count("/") == 3:
            host.remove(path, before)
    yield


def record_kubelet(host: SimHost, fingerprint: str) -> None:
    host.mark(marks.KUBELET, f"{fingerprint}\n{host.recorded(at.KUBELET_CONFIG)}")


def record_manifests(host: SimHost) -> None:
    names = sorted(p for p in host.files if p.startswith(f"{at.MANIFESTS}/"))
    host.mark(marks.MANIFESTS, host.recorded(*names))
