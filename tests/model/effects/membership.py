"""etcd's members and the cluster's nodes, as they come and go."""

from __future__ import annotations

from typing import Final

from kanae.errors import StepFailed
from kanae.execute.events import Outcome
from kanae.facts.nodes import CORDONED
from kanae.layout import units
from kanae.plan import actions
from kanae.plan.model import Step

from ..world import API_SERVER, Object, World
from .base import Effects, failed, require_api, wait

OUT_OF_SERVICE: Final[Object] = {
    "key": "node.kubernetes.io/out-of-service",
    "value": "nodeshutdown",
    "effect": "NoExecute",
}


def _require_etcd(world: World, step: Step) -> None:
    """The step's host has a member that answers."""
    if not world.etcd_runs(step.host or "") or not world.quorum():
        raise failed(step, "etcdctl member list: context deadline exceeded")


def move_leader(world: World, step: Step, action: actions.MoveLeader) -> Effects:
    _require_etcd(world, step)
    name = world.member_at(action.peer)
    if name is None or world.voters() == [name] or world.leads() != name:
        return Outcome.OK
    others = [host for host in world.healthy() if host != name]
    if not others:
        raise failed(step, "no other member can lead")
    yield
    world.leader = step.host if step.host in others else others[0]
    yield
    return Outcome.CHANGED


def remove_member(world: World, step: Step, action: actions.RemoveMember) -> Effects:
    _require_etcd(world, step)
    name = world.member_at(action.peer)
    if name is None:
        return Outcome.OK
    stay = [host for host in world.healthy() if host != name]
    if world.members[name] and len(stay) < action.keep:
        raise failed(step, f"{stay} would be left, {action.keep} must")
    if not world.external and API_SERVER in world.hosts[name].pods and world.hosts[name].powered:
        world.violations.append(f"{step.id} while the API server of {name} needs its etcd")
    yield
    yield from wait(step, lambda: world.removal_refused(name))
    world.forget_member(name)
    yield
    yield from wait(step, lambda: "" if set(stay) <= set(world.healthy()) else "one is not healthy")
    return Outcome.CHANGED


def add_member(world: World, step: Step, action: actions.AddMember) -> Effects:
    _require_etcd(world, step)
    if world.member_at(action.peer) is not None:
        return Outcome.OK
    # Its name etcd learns when it starts; here it is the host's.
    known = [host for host in world.hosts if world.peer(host) == action.peer]
    yield
    yield from wait(step, world.add_refused)
    world.members[next((host for host in known if host in world.spec.hosts), known[0])] = False
    yield
    return Outcome.CHANGED


def promote_member(world: World, step: Step, action: actions.PromoteMember) -> Effects:
    _require_etcd(world, step)
    name = world.member_at(action.peer)
    if name is None:
        raise failed(step, f"etcd has no member {action.peer}")
    if world.members[name]:
        return Outcome.OK
    yield
    yield from wait(step, lambda: "" if world.etcd_runs(name) else "it has not started yet")
    world.members[name] = True
    yield
    return Outcome.CHANGED


def drain(world: World, step: Step, action: actions.DrainNode) -> Effects:
    require_api(world, step)
    node = world.nodes.get(action.node)
    if node is None:
        return Outcome.OK
    yield
    annotations: Object = node["metadata"].setdefault("annotations", {})
    ours = action.returns and (CORDONED in annotations or not node["spec"].get("unschedulable"))
    node["spec"]["unschedulable"] = True
    if ours:
        annotations[CORDONED] = "upgrade"
    yield
    if world.node_ready(action.node):
        budget = world.budgets.get(action.node, "")
        try:
            yield from wait(step, lambda: budget and f"PodDisruptionBudget {budget}")
        except StepFailed:
            if ours:
                del annotations[CORDONED], node["spec"]["unschedulable"]
            raise
    return Outcome.CHANGED


def release_volumes(world: World, step: Step, action: actions.ReleaseVolumes) -> Effects:
    require_api(world, step)
    node = world.nodes.get(action.node)
    if node is None:
        return Outcome.OK
    _require_stopped(world, step, action.node)
    taints: list[Object] = node["spec"].setdefault("taints", [])
    if OUT_OF_SERVICE not in taints:
        taints.append(dict(OUT_OF_SERVICE))
    yield
    return Outcome.CHANGED


def delete_node(world: World, step: Step, action: actions.DeleteNode) -> Effects:
    require_api(world, step)
    _require_stopped(world, step, action.node)
    world.nodes.pop(action.node, None)
    yield
    return Outcome.CHANGED


def _require_stopped(world: World, step: Step, node: str) -> None:
    here = world.hosts.get(node)
    runs = here is not None and here.powered and here.active(units.KUBELET)
    if runs and node in world.nodes:
        world.violations.append(f"{step.id} while kubelet runs on {node}")
