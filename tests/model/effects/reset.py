"""Taking a cluster off its hosts."""

from __future__ import annotations

from kanae.execute.events import Outcome
from kanae.plan import deeds
from kanae.plan.model import Step
from kanae.plan.view import RESETTING
from kanae.render import paths as at

from ..world import API_SERVER, World
from .base import Effects


def stop_node(world: World, step: Step, deed: deeds.StopNode) -> Effects:
    host = world.hosts[step.host or ""]
    host.mark(RESETTING)
    yield
    host.disable(at.KUBELET)
    yield
    host.remove(at.MANIFESTS)
    yield
    if host.active(at.CONTAINERD):
        host.pods = {}
    yield
    return Outcome.CHANGED


def remove_etcd(world: World, step: Step, deed: deeds.RemoveEtcd) -> Effects:
    host = world.hosts[step.host or ""]
    serving = [name for name in world.hosts if API_SERVER in world.hosts[name].pods]
    if serving:
        world.violations.append(f"{step.id} while API servers run on {serving}")
    host.disable(at.ETCD)
    yield
    host.remove(deed.data)
    world.members.pop(host.name, None)
    yield
    return Outcome.CHANGED


def remove_cluster(world: World, step: Step, deed: deeds.RemoveCluster) -> Effects:
    host = world.hosts[step.host or ""]
    for unit in deed.units:
        host.disable(unit)
        host.units.pop(unit, None)
        yield
    if deed.node:
        host.remove(at.KUBELET_STATE)
        world.nodes.pop(host.name, None)
        if not deed.keep_images:
            host.images = {}
        yield
    for path in deed.files:
        host.remove(path)
        yield
    for tree in deed.trees:
        host.remove(tree)
        yield
    return Outcome.CHANGED
