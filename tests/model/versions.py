"""Which versions simulated hosts run, by what their processes and pods have read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Final

from kanae.artifacts.model import Kind
from kanae.layout import paths as at
from kanae.layout import units
from kanae.spec.versions import KubernetesVersion

from .fixtures import ARTIFACTS

if TYPE_CHECKING:
    from .world import World

API_SERVER: Final = "kube-apiserver"
_CLIENTS: Final = ("kube-controller-manager", "kube-scheduler")
_IMAGE: Final = re.compile(r"(?m)^ *image: \S+:(\S+)$")


@cache
def _programs() -> dict[str, str]:
    """sha256 of a program -> its version."""
    binaries = (each for each in ARTIFACTS.values() if each.kind is Kind.BINARY)
    return {each.digest.removeprefix("sha256:"): each.version for each in binaries}


def program(world: World, host: str, name: str) -> str:
    """Of a program on a host's disk; "" where it is none that we know."""
    file = world.hosts[host].files.get(f"{at.BIN}/{name}")
    return _programs().get(file.sha, "") if file is not None else ""


def running(world: World, host: str, unit: str, name: str) -> str:
    """Of what a unit runs, that is what it was started with."""
    return _programs().get(world.hosts[host].unit(unit).reads.get(f"{at.BIN}/{name}", ""), "")


def kubelet(world: World, host: str) -> str:
    """Of one that runs; "" where none does, or nobody knows it."""
    return running(world, host, units.KUBELET, "kubelet")


@cache
def image_tag(manifest: str) -> str:
    match = _IMAGE.search(manifest)
    return match[1] if match else ""


def pod(world: World, host: str, name: str) -> str:
    """Of a static pod that runs as its manifest says; "" where it does not."""
    here = world.hosts[host]
    file = here.files.get(f"{at.MANIFESTS}/{name}.yaml")
    if file is None or here.pods.get(name) != file.sha:
        return ""
    return image_tag(file.text)


def etcd(world: World, host: str) -> str:
    """Without its leading v."""
    if world.external:
        return running(world, host, units.ETCD, "etcd").removeprefix("v") or "3.7.3"
    file = world.hosts[host].files.get(at.ETCD_MANIFEST)
    return (image_tag(file.text) if file is not None else "") or "3.7.3"


@cache
def _minor(version: str) -> int:
    return KubernetesVersion.parse(version).minor


def skewed(world: World) -> Iterator[str]:
    """What Kubernetes' version skew policy does not allow."""
    servers: dict[str, int] = {}
    for host, here in world.hosts.items():
        if not here.powered or host not in world.spec.hosts:
            continue
        if server := pod(world, host, API_SERVER):
            servers[host] = _minor(server)
        for client in _CLIENTS:
            of = pod(world, host, client)
            if of and server and _minor(of) > servers[host]:
                yield f"{client} of {host} is {of}, its API server {server}"
    if not servers:
        return
    oldest, newest = min(servers.values()), max(servers.values())
    if newest - oldest > 1:
        yield f"API servers are of the minors {servers}"
    for host, here in world.hosts.items():
        if here.powered and here.active(units.KUBELET) and host in world.spec.hosts:
            version = running(world, host, units.KUBELET, "kubelet")
            minor = _minor(version) if version else oldest
            if not newest - 3 <= minor <= oldest:
                yield f"kubelet of {host} is {version}, API servers are of the minors {servers}"
