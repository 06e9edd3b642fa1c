"""Restoring a cluster from a snapshot of etcd.

What a member holds is told by the attempt that its data was restored by. It is the cluster's when
members start with it (see `World.holding`).
"""

from __future__ import annotations

from kanae.execute.events import Outcome
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan import actions
from kanae.plan.attempt import aside, beside, seal
from kanae.plan.etcd import OF_RESTORES
from kanae.plan.model import Step

from ..fixtures import SNAPSHOT
from ..machine import SimHost
from ..world import API_SERVER, World
from .base import Effects, failed, wait


def save_snapshot(world: World, step: Step, action: actions.SaveSnapshot) -> Effects:
    host = world.hosts[step.host or ""]
    if host.has(action.path):
        return Outcome.OK
    if not world.etcd_runs(host.name):
        raise failed(step, "no member answers")
    yield
    host.folder(at.RESTORES)
    host.write(action.path, "saved\n", 0o600)
    yield
    return Outcome.CHANGED


def _sealed(host: SimHost, folder: str, attempt: str) -> bool:
    return host.has(seal(folder)) and host.text(seal(folder)).strip() == attempt


def restore_snapshot(world: World, step: Step, action: actions.RestoreSnapshot) -> Effects:
    host = world.hosts[step.host or ""]
    new = beside(action.data, action.attempt)
    if _sealed(host, action.data, action.attempt) or _sealed(host, new, action.attempt):
        return Outcome.OK
    host.write(action.path, SNAPSHOT, 0o600)
    yield
    host.folder(action.data, 0o700)
    host.remove(new)
    host.remove(f"{new}.part")
    host.folder(f"{new}.part/member")
    yield
    host.remove(f"{new}.part")
    host.folder(new)
    host.folder(f"{new}/member")
    host.write(seal(new), f"{action.attempt}\n")
    world.restored[action.attempt] = tuple(
        each.partition("=")[0] for each in action.members.split(",")
    )
    yield
    return Outcome.CHANGED


def place_keys(world: World, step: Step, action: actions.PlaceKeys) -> Effects:
    world.hosts[step.host or ""].write(action.path, "keys\n", 0o600)
    yield
    return Outcome.CHANGED


def fence(world: World, step: Step, action: actions.Fence) -> Effects:
    host = world.hosts[step.host or ""]
    host.mark(marks.RESTORING, f"{action.record}\n")
    yield
    if action.pods:
        if host.active(units.KUBELET):
            host.stop(units.KUBELET)
        yield
        host.folder(at.FENCED)
        for pod in action.pods:
            _move(host, f"{at.MANIFESTS}/{pod}.yaml", f"{at.FENCED}/{pod}.yaml")
            yield
        host.start(units.CONTAINERD, "start")
        for pod in action.pods:
            host.pods.pop(pod, None)
            yield
    if action.etcd:
        host.disable(units.ETCD)
        yield
    return Outcome.CHANGED


def _move(host: SimHost, path: str, to: str) -> None:
    """A file, or a folder with all in it."""
    for each in [each for each in host.files if each == path or each.startswith(f"{path}/")]:
        host.files[to + each.removeprefix(path)] = host.files.pop(each)


def replace_data(world: World, step: Step, action: actions.ReplaceData) -> Effects:
    host = world.hosts[step.host or ""]
    new, old = beside(action.data, action.attempt), aside(action.data, action.attempt)
    if _sealed(host, action.data, action.attempt):
        return Outcome.OK
    _require_silence(world, step)
    if not _sealed(host, new, action.attempt):
        raise failed(step, f"{new} is not there")
    if world.etcd_runs(host.name):
        raise failed(step, "etcd runs here again")
    if host.has(f"{action.data}/member"):
        if host.has(f"{old}/member"):
            raise failed(step, f"{old} is there already")
        host.folder(old)
        yield
        _move(host, f"{action.data}/member", f"{old}/member")
    yield
    _move(host, f"{new}/member", f"{action.data}/member")
    yield
    host.remove(new)
    yield
    return Outcome.CHANGED


def _require_silence(world: World, step: Step) -> None:
    """Nobody may serve, or go on with, what is being replaced."""
    for name, host in world.hosts.items():
        if host.powered and (API_SERVER in host.pods or world.etcd_runs(name)):
            world.violations.append(f"{step.id} while {name} serves")


def unfence(world: World, step: Step, action: actions.Unfence) -> Effects:
    host = world.hosts[step.host or ""]
    if API_SERVER in action.pods and not world.quorum():
        world.violations.append(f"{step.id} before etcd has a quorum")
    for pod in action.pods:
        _move(host, f"{at.FENCED}/{pod}.yaml", f"{at.MANIFESTS}/{pod}.yaml")
        host.sync_pods()
        yield
    if action.pods:
        host.start(units.KUBELET, "start")
        host.sync_pods()
        yield
    if action.etcd:
        host.enable(units.ETCD)
        yield
        host.start(units.ETCD, "start")
        yield
    return Outcome.CHANGED


def await_same_data(world: World, step: Step, action: actions.AwaitSameData) -> Effects:
    def differs() -> str:
        held = {world.held(name) for name in world.members}
        return "" if world.quorum() and len(held) == 1 else f"members hold {sorted(held)}"

    yield from wait(step, differs)
    return Outcome.OK


def restart_agents(world: World, step: Step, action: actions.RestartAgents) -> Effects:
    host = world.hosts[step.host or ""]
    if not world.ready_hosts():
        world.violations.append(f"{step.id} before an API server is ready")
    host.start(units.KUBELET)
    yield
    host.log += [f"restart {name}" for name in action.containers]
    yield
    return Outcome.CHANGED


def end(world: World, step: Step, action: actions.EndRestore) -> Effects:
    host = world.hosts[step.host or ""]
    if action.snapshot:
        host.remove(action.snapshot)
    yield
    _move(host, marks.path(marks.RESTORING), marks.path(marks.RESTORED))
    yield
    return Outcome.CHANGED


def discard(world: World, step: Step, action: actions.DiscardReplaced) -> Effects:
    host = world.hosts[step.host or ""]
    host.remove(at.RESTORES)
    yield
    remove_kept(host, action.data)
    yield
    return Outcome.CHANGED


def remove_kept(host: SimHost, data: str) -> None:
    """What restores have put aside in etcd's folder."""
    for path in list(host.files):
        if path.startswith(tuple(f"{data}/{begin}" for begin in OF_RESTORES)):
            host.remove(path)
