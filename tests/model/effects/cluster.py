"""Objects in the cluster, and waiting for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from kanae.execute.events import Outcome
from kanae.plan import deeds
from kanae.plan.model import Step
from kanae.plan.nodes import OWNED
from kanae.render.objects import key_of
from kanae.spec.models import Role

from ..world import Object, World
from .base import Effects, failed, require_api


def mint_token(world: World, step: Step, deed: deeds.MintToken) -> Effects:
    require_api(world, step)
    yield
    return Outcome.CHANGED


def apply_objects(world: World, step: Step, deed: deeds.ApplyObjects) -> Effects:
    require_api(world, step)
    for text in deed.documents:
        document: Object = json.loads(text)
        world.objects[key_of(document)] = document
        yield
    return Outcome.CHANGED


def set_node(world: World, step: Step, deed: deeds.SetNode) -> Effects:
    require_api(world, step)
    if deed.node not in world.nodes:
        raise failed(step, f"node {deed.node} not found")
    node = world.nodes[deed.node]
    labels: dict[str, str] = node["metadata"]["labels"]
    labels.update(deed.labels)
    for key in deed.unlabel:
        labels.pop(key, None)
    node["metadata"]["annotations"] = {OWNED: ",".join(key for key, _ in deed.labels)}
    if deed.taints:
        node["spec"]["taints"] = json.loads(deed.taints)
    yield
    return Outcome.CHANGED


def _wait(step: Step, holds: Callable[[], bool], turns: int = 400) -> Iterator[None]:
    for _ in range(turns):
        if holds():
            return
        yield
    raise failed(step, "waited in vain")


def await_etcd(world: World, step: Step, deed: deeds.AwaitEtcd) -> Effects:
    members = world.spec.having(Role.ETCD)
    yield from _wait(step, lambda: all(world.etcd_runs(host) for host in members))
    return Outcome.OK


def await_api(world: World, step: Step, deed: deeds.AwaitApi) -> Effects:
    yield from _wait(step, lambda: world.api_ready(step.host or ""))
    return Outcome.OK


def await_nodes(world: World, step: Step, deed: deeds.AwaitNodes) -> Effects:
    yield from _wait(step, lambda: all(world.node_ready(node) for node in deed.nodes))
    return Outcome.OK
