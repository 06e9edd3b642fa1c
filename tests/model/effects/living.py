"""What changes a node that has joined, or half joined."""

from __future__ import annotations

from kanae.execute.events import Outcome
from kanae.plan import deeds
from kanae.plan.model import Step
from kanae.plan.view import JOINED, KUBELET, MANIFESTS
from kanae.render import paths as at
from kanae.resources.unit import MARKS

from ..world import World
from .base import Effects, documents, failed, require_api
from .kubeadm import put_addon, store_config, stored
from .node import record_kubelet, record_manifests, start_kubelet, write_manifests


def clear(world: World, step: Step, deed: deeds.ClearNode) -> Effects:
    name = step.host or ""
    host = world.hosts[name]
    if host.marked(JOINED):
        return Outcome.OK
    if not world.endpoint_answers():
        raise failed(step, f"dial https://{world.spec.endpoint_host}: no answer")
    if deed.etcd_member:
        world.members.pop(name, None)
        yield
    world.nodes.pop(deed.node, None)
    yield
    if host.active(at.KUBELET):
        host.stop(at.KUBELET)
    yield
    host.pods = {}
    host.remove(at.KUBELET_CONFIG)
    yield
    host.remove(at.MANIFESTS)
    yield
    for path in (at.KUBELET_CONF, at.BOOTSTRAP_KUBELET_CONF, at.ADMIN_CONF):
        host.remove(path)
    for mark in (JOINED, MANIFESTS, KUBELET):
        host.remove(f"{MARKS}/{mark}")
    yield
    if deed.etcd_member:
        host.remove(f"{deed.data_dir}/member")
    yield
    return Outcome.CHANGED


def reconfigure_control_plane(
    world: World, step: Step, deed: deeds.ReconfigureControlPlane
) -> Effects:
    host = world.hosts[step.host or ""]
    yield from write_manifests(world, host, documents(deed.config)["ClusterConfiguration"])
    record_manifests(host)
    yield
    host.mark(JOINED, deed.fingerprint)
    yield
    return Outcome.CHANGED


def upload_config(world: World, step: Step, deed: deeds.UploadConfig) -> Effects:
    require_api(world, step)
    yield from store_config(world, documents(deed.config))
    return Outcome.CHANGED


def reconfigure_kubelet(world: World, step: Step, deed: deeds.ReconfigureKubelet) -> Effects:
    host = world.hosts[step.host or ""]
    require_api(world, step)
    yield from start_kubelet(host, stored(world, 1))
    record_kubelet(host, deed.fingerprint)
    yield
    return Outcome.CHANGED


def addon(world: World, step: Step, deed: deeds.Addon) -> Effects:
    require_api(world, step)
    yield from put_addon(world, deed.name, documents(deed.config))
    return Outcome.CHANGED
