"""Taking a cluster off its hosts."""

from __future__ import annotations

import fnmatch

from kanae.execute.events import Outcome
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan import actions
from kanae.plan.model import Step

from ..world import API_SERVER, World
from .base import Effects
from .restore import remove_kept


def stop_api_server(world: World, step: Step, action: actions.StopApiServer) -> Effects:
    host = world.hosts[step.host or ""]
    host.remove(f"{at.MANIFESTS}/{API_SERVER}.yaml")
    yield
    if host.active(units.CONTAINERD):
        host.pods.pop(API_SERVER, None)
    yield
    return Outcome.CHANGED


def stop_node(world: World, step: Step, action: actions.StopNode) -> Effects:
    host = world.hosts[step.host or ""]
    host.mark(marks.RESETTING)
    yield
    if host.has(at.ETCD_MANIFEST):
        for line in host.text(at.ETCD_MANIFEST).splitlines():
            if "--data-dir=" in line:
                host.mark(marks.ETCD_DATA, line.partition("=")[2] + "\n")
    yield
    host.write(at.NETWORK_NAMESPACES, "")
    yield
    host.disable(units.KUBELET)
    yield
    host.remove(at.MANIFESTS)
    yield
    if host.active(units.CONTAINERD):
        host.pods = {}
    yield
    return Outcome.CHANGED


def remove_etcd(world: World, step: Step, action: actions.RemoveEtcd) -> Effects:
    host = world.hosts[step.host or ""]
    serving = [name for name in world.hosts if API_SERVER in world.hosts[name].pods]
    if serving and host.name in world.members:
        world.violations.append(f"{step.id} while API servers run on {serving}")
    host.disable(units.ETCD)
    yield
    host.mark(marks.ETCD_DATA, action.data.rpartition("/")[0] + "\n")
    host.remove(action.data)
    remove_kept(host, action.data.rpartition("/")[0])
    world.forget_member(host.name)
    yield
    return Outcome.CHANGED


def remove_cluster(world: World, step: Step, action: actions.RemoveCluster) -> Effects:
    host = world.hosts[step.host or ""]
    before = set(host.text(at.FOUND_LIST).splitlines()) if host.has(at.FOUND_LIST) else set[str]()
    for unit in action.units:
        host.disable(unit)
        host.units.pop(unit, None)
        yield
    if action.node:
        host.remove(at.KUBELET_STATE, before)
        world.nodes.pop(host.name, None)
        if not action.keep_images:
            host.images = {}
        yield
    own = [path for path in action.files if path.startswith(f"{marks.FOLDER}/")]
    for path in action.files:
        if path not in own:
            host.remove(path)
            yield
    others = any(
        path.startswith(marks.path(marks.MEMBER)) and path not in own for path in host.files
    )
    if host.has(at.MASKED) and not others:
        for unit in host.text(at.MASKED).split():
            host.remove(f"{at.UNITS}/{unit}")
        host.remove(at.MASKED)
        yield
    for path in own:
        host.remove(path)
        yield
    *trees, last = action.trees or ("",)
    for tree in trees:
        host.remove(tree, before)
        yield
    for pattern in action.patterns:
        for path in fnmatch.filter(host.files, pattern):
            host.remove(path, before)
        yield
    if last:
        host.remove(last)
        yield
    shared = (f"{at.CNI_STATE}/networks", f"{at.CNI_STATE}/results", at.CNI_STATE, at.CNI_CONF,
              at.CNI_BIN) if action.patterns else ()  # fmt: skip
    for folder in (*shared, at.KANAE, f"{at.UNITS}/{units.KUBELET}.d"):
        if not any(path.startswith(f"{folder}/") for path in host.files):
            host.remove(folder)
    return Outcome.CHANGED
