"""What kubeadm writes on a node."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace

from kanae.execute import kubeconfig
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.actions import Form, LeafCertificate
from kanae.plan.certificates import AUTHORITIES, leaves

from ..certificate import issued
from ..machine import SimHost
from ..world import API_SERVER, SERVING, Object, World
from .base import STATIC_PODS


def _issue(world: World, host: str, leaf: LeafCertificate) -> tuple[str, str]:
    public, private = AUTHORITIES[leaf.authority]
    here = world.hosts[host]
    if not here.has(public, private):
        # A worker has none: the controller manager issues.
        here = next(each for each in world.hosts.values() if each.has(public, private))
    return issued(leaf, here.text(public), here.text(private))


def admin_conf(world: World, host: str, server: str) -> str:
    """A kubeconfig as kubeadm writes it, with a key that tests look for where it must not be."""
    leaf = next(leaf for _, leaf in leaves(world.spec, host) if leaf.path == at.ADMIN_CONF)
    certificate, _ = _issue(world, host, leaf)
    authority = world.hosts[host].text(AUTHORITIES["ca"][0])
    data = b64encode(authority.encode()).decode()
    return (
        "apiVersion: v1\nkind: Config\n"
        "clusters:\n- name: kubernetes\n  cluster:\n"
        f"    certificate-authority-data: {data}\n    server: {server}\n"
        "users:\n- name: kubernetes-admin\n  user:\n"
        f"    client-certificate-data: {b64encode(certificate.encode()).decode()}\n"
        f"    client-key-data: SECRET-KEY-OF-{host}\n"
        "contexts: [{name: c, context: {cluster: kubernetes, user: kubernetes-admin}}]\n"
        "current-context: c\n"
    )


def serving(world: World, host: str, cluster: Object) -> dict[str, str]:
    """An API server's certificate by what kubeadm is told, and its key."""
    names = (host, world.address(host), *cluster["apiServer"]["certSANs"])
    leaf = next(leaf for _, leaf in leaves(world.spec, host) if leaf.path == SERVING)
    certificate, key = _issue(world, host, replace(leaf, sans=tuple(dict.fromkeys(names))))
    return {SERVING: certificate, at.key(SERVING): key}


def issued_by_kubeadm(
    world: World, host: str, cluster: Object, server: str, *, init: bool
) -> dict[str, str]:
    """All certificates of a control-plane host, with their keys."""
    files = serving(world, host, cluster)
    for certificate, leaf in leaves(world.spec, host):
        path = leaf.path
        left_out = path == at.SUPER_ADMIN_CONF and not init
        if not certificate.by_kubeadm or left_out or path in files:
            continue
        if leaf.form is Form.PAIR:
            files[path], files[at.key(path)] = _issue(world, host, leaf)
        elif path == at.ADMIN_CONF:
            files[path] = admin_conf(world, host, server)
        elif leaf.form is Form.KUBECONFIG:
            authority = world.hosts[host].text(AUTHORITIES["ca"][0])
            pair = _issue(world, host, leaf)
            files[path] = kubeconfig.embedded(leaf, authority, *pair)
    return files


def kubelet_client(world: World, host: str) -> dict[str, str]:
    """What kubelet has got by its bootstrap."""
    leaf = next(leaf for _, leaf in leaves(world.spec, host) if leaf.path == at.KUBELET_CLIENT)
    return {at.KUBELET_CLIENT: "".join(_issue(world, host, leaf))}


def kubelet_conf(server: str) -> str:
    """Without the client's key, which is in a file of its own."""
    return f"clusters:\n- cluster:\n    server: {server}\n"


def member(cluster: Object) -> str:
    """Where a stacked member keeps its data. cluster: the ClusterConfiguration."""
    return f"{cluster['etcd']['local']['dataDir']}/member"


def manifest(world: World, host: SimHost, pod: str, config: Object) -> str:
    """A static pod's manifest: changes when anything it is made from does."""
    patch = host.files.get(at.API_SERVER_PATCH)
    patched = patch.sha if patch is not None and pod == API_SERVER else ""
    return json.dumps([pod, host.name, config, patched], sort_keys=True)


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
