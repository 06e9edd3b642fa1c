"""What changes a node that has joined, or half joined."""

from __future__ import annotations

from kanae.execute.events import Outcome
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan import actions
from kanae.plan.model import Step

from ..world import World
from .base import Effects, documents, failed, require_api
from .kubeadm import put_addon, store_config, stored
from .node import record_kubelet, record_manifests, start_kubelet, write_manifests


def clear(world: World, step: Step, action: actions.ClearNode) -> Effects:
    name = step.host or ""
    host = world.hosts[name]
    if host.marked(marks.JOINED):
        return Outcome.OK
    if not world.endpoint_answers():
        raise failed(step, f"dial https://{world.spec.endpoint_host}: no answer")
    if action.etcd_member:
        world.members.pop(name, None)
        yield
    world.nodes.pop(action.node, None)
    yield
    if host.active(units.KUBELET):
        host.stop(units.KUBELET)
    yield
    host.pods = {}
    host.remove(at.KUBELET_CONFIG)
    yield
    host.remove(at.MANIFESTS)
    yield
    for path in (at.KUBELET_CONF, at.BOOTSTRAP_KUBELET_CONF, at.ADMIN_CONF):
        host.remove(path)
    for mark in (marks.JOINED, marks.MANIFESTS, marks.KUBELET):
        host.remove(f"{marks.FOLDER}/{mark}")
    yield
    if action.etcd_member:
        host.remove(f"{action.data_dir}/member")
    yield
    return Outcome.CHANGED


def reconfigure_control_plane(
    world: World, step: Step, action: actions.ReconfigureControlPlane
) -> Effects:
    host = world.hosts[step.host or ""]
    yield from write_manifests(world, host, documents(action.config)["ClusterConfiguration"])
    record_manifests(host)
    yield
    host.mark(marks.JOINED, action.fingerprint)
    yield
    return Outcome.CHANGED


def upload_config(world: World, step: Step, action: actions.UploadConfig) -> Effects:
    require_api(world, step)
    yield from store_config(world, documents(action.config))
    return Outcome.CHANGED


def reconfigure_kubelet(world: World, step: Step, action: actions.ReconfigureKubelet) -> Effects:
    host = world.hosts[step.host or ""]
    require_api(world, step)
    yield from start_kubelet(host, stored(world, 1))
    record_kubelet(host, action.fingerprint)
    yield
    return Outcome.CHANGED


def addon(world: World, step: Step, action: actions.Addon) -> Effects:
    require_api(world, step)
    yield from put_addon(world, action.name, documents(action.config))
    return Outcome.CHANGED
