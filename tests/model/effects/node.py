"""What kubeadm checks and writes on a node."""

from __future__ import annotations

import json
from collections.abc import Iterator

from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.layout.family import Need
from kanae.plan.model import Step

from ..machine import SimHost
from ..world import API_SERVER, Object, World
from .base import MEMBER, STATIC_PODS, failed


def admin_conf(host: str) -> str:
    """A kubeconfig as kubeadm writes it, with a key that tests look for where it must not be."""
    return (
        "apiVersion: v1\nkind: Config\n"
        "clusters: [{name: kubernetes, cluster: {server: https://endpoint}}]\n"
        f"users: [{{name: kubernetes-admin, user: {{client-key-data: SECRET-KEY-OF-{host}}}}}]\n"
        "contexts: [{name: c, context: {cluster: kubernetes, user: kubernetes-admin}}]\n"
        "current-context: c\n"
    )


def preflight(world: World, step: Step, host: SimHost, allowed: bool, control_plane: bool) -> None:
    """kubeadm's checks, as far as what is simulated can break them."""
    wrong: list[str] = []
    if not host.active(units.CONTAINERD):
        wrong.append("container runtime is not running")
    wrong += [f"{program} is not there" for program in ("kubelet", "kubeadm", "crictl")
              if not host.has(f"{at.BIN}/{program}")]  # fmt: skip
    wrong += [f"{need} is not installed" for need in (Need.CONNTRACK, Need.IPTABLES)
              if host.base.family.package(need) not in host.packages]  # fmt: skip
    if host.sysctls.get("net.ipv4.ip_forward") != "1":
        wrong.append("ip_forward is not 1")
    if not host.has(at.KUBELET_UNIT, at.KUBELET_DROPIN) or not host.unit(units.KUBELET).enabled:
        wrong.append("kubelet's unit is not enabled")
    if not host.has(at.KUBELET_PATCH):
        wrong.append("no patches")
    if not allowed:
        taken = [at.KUBELET_CONF, *(f"{at.MANIFESTS}/{pod}.yaml" for pod in STATIC_PODS)]
        wrong += [f"{path} already exists" for path in taken if host.has(path)]
        if control_plane and not world.external and host.has(MEMBER):
            wrong.append(f"{MEMBER} is not empty")
    if control_plane:
        wrong += [f"no image of {pod}" for pod in STATIC_PODS
                  if not any(pod in reference for reference in host.images)]  # fmt: skip
        if world.external and not world.quorum():
            wrong.append("external etcd does not answer")
        if world.external and not world.serves_with(host.name, at.ETCD_API_CLIENT, at.ETCD_CA):
            wrong.append("no client certificate for etcd")
        if not host.has(f"{at.PKI}/ca.crt", f"{at.PKI}/ca.key", f"{at.PKI}/sa.key"):
            wrong.append("authorities are not there")
    if wrong:
        raise failed(step, "[preflight] Some fatal errors occurred: " + "; ".join(wrong))


def manifest(world: World, host: SimHost, pod: str, config: Object) -> str:
    """A static pod's manifest: changes when anything it is made from does."""
    patch = host.files.get(at.API_SERVER_PATCH)
    patched = patch.sha if patch is not None and pod == API_SERVER else ""
    return json.dumps([pod, host.name, config, patched], sort_keys=True)


def write_manifests(world: World, host: SimHost, config: Object) -> Iterator[None]:
    for pod in STATIC_PODS:
        text = manifest(world, host, pod, config)
        path = f"{at.MANIFESTS}/{pod}.yaml"
        if pod == API_SERVER and host.has(path) and host.text(path) != text:
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


def record_kubelet(host: SimHost, fingerprint: str) -> None:
    host.mark(marks.KUBELET, f"{fingerprint}\n{host.recorded(at.KUBELET_CONFIG)}")


def record_manifests(host: SimHost) -> None:
    names = sorted(p for p in host.files if p.startswith(f"{at.MANIFESTS}/"))
    host.mark(marks.MANIFESTS, host.recorded(*names))
