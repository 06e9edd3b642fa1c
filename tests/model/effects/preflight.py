"""kubeadm's preflight checks by name, as far as what is simulated can break them.

Sources, of Kubernetes v1.37.2: cmd/kubeadm/app/preflight/checks.go (InitNodeChecks,
JoinNodeChecks, addCommonChecks, RunChecks); cmd/kubeadm/app/cmd/phases/join/preflight.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from kanae.layout import paths as at
from kanae.layout import ports, units

from ..machine import SimHost
from ..world import API_SERVER, Object, World
from .base import STATIC_PODS

Failing = Iterator[tuple[str, str]]
_PORTS: Final = {
    API_SERVER: ports.API_SERVER,
    "kube-scheduler": ports.SCHEDULER,
    "kube-controller-manager": ports.CONTROLLER_MANAGER,
}


def of_init(world: World, host: SimHost, cluster: Object) -> Failing:
    """(name, why) of each that fails. cluster: the ClusterConfiguration."""
    yield from _control_plane(host, cluster)
    yield from _common(host)
    external = cluster["etcd"].get("external")
    if external is not None:
        running = any(world.etcd_runs(name) for name in world.hosts)
        if not running or not host.active(units.ETCD_BALANCER):
            yield "ExternalEtcdVersion", f"{external['endpoints']} does not answer"
        elif not world.serves_with(host.name, external["certFile"], external["caFile"]):
            yield "ExternalEtcdVersion", "certificate signed by unknown authority"
    yield from _images(host)


def of_join(host: SimHost, cluster: Object, *, control_plane: bool) -> Failing:
    """cluster: the ClusterConfiguration that the cluster has stored."""
    yield from _available(at.KUBELET_CONF, at.BOOTSTRAP_KUBELET_CONF, host=host)
    yield from _common(host)
    if control_plane:
        yield from _control_plane(host, cluster)
        yield from _images(host)
    else:
        yield from _available(f"{at.PKI}/ca.crt", host=host)


def ignored(script: str, registration: Object) -> frozenset[str]:
    """Names that are warnings only, in lower case: of the option in the script that is sent, and
    of the configuration's nodeRegistration."""
    options: list[str] = re.findall(r"--ignore-preflight-errors=(\S*)", script)
    names = [name for option in options for name in option.split(",")]
    return frozenset(
        name.lower() for name in (*names, *registration.get("ignorePreflightErrors", ()))
    )


def fatal(failing: Failing, ignored: frozenset[str]) -> str:
    """What kubeadm says when it does not go on; "" when it does."""
    wrong = [f"[ERROR {name}]: {why}" for name, why in failing
             if not ignored & {"all", name.lower()}]  # fmt: skip
    return "\n".join(["[preflight] Some fatal errors occurred:", *wrong]) if wrong else ""


def _control_plane(host: SimHost, cluster: Object) -> Failing:
    for pod, port in _PORTS.items():
        if pod in host.pods:
            yield f"Port-{port}", f"Port {port} is in use"
    manifests = (f"{at.MANIFESTS}/{pod}.yaml" for pod in (*STATIC_PODS, "etcd"))
    yield from _available(*manifests, host=host)
    local, external = (cluster["etcd"].get(kind) for kind in ("local", "external"))
    if local is not None:
        for port in (ports.ETCD_CLIENT, ports.ETCD_PEER):
            if "etcd" in host.pods:
                yield f"Port-{port}", f"Port {port} is in use"
        folder: str = local["dataDir"]
        if any(path.startswith(f"{folder}/") for path in host.files):
            yield _named("DirAvailable", folder), f"{folder} is not empty"
    if external is not None:
        for path in (external["caFile"], external["certFile"], external["keyFile"]):
            if not host.has(path):
                yield "ExternalEtcdClientCertificates", f"{path} doesn't exist"


def _common(host: SimHost) -> Failing:
    if not host.active(units.CONTAINERD):
        yield "CRI", "container runtime is not running"
    if host.base.cgroup == 1:
        yield "SystemVerification", "cgroups v1 support is in maintenance mode"
    if not host.has(f"{at.BIN}/kubelet"):
        yield "KubeletVersion", "couldn't get kubelet version"
    if host.active(units.KUBELET):
        yield f"Port-{ports.KUBELET}", f"Port {ports.KUBELET} is in use"
    if host.sysctls.get("net.ipv4.ip_forward") != "1":
        yield _named("FileContent", "/proc/sys/net/ipv4/ip_forward"), "is not set to 1"


def _images(host: SimHost) -> Failing:
    """No registry answers here."""
    for pod in STATIC_PODS:
        if not any(pod in reference for reference in host.images):
            yield "ImagePull", f"failed to pull image {pod}"


def _available(*paths: str, host: SimHost) -> Failing:
    for path in paths:
        if host.has(path):
            yield _named("FileAvailable", path), f"{path} already exists"


def _named(check: str, path: str) -> str:
    return f"{check}-{path.replace('/', '-')}"
