"""Objects in the cluster, and waiting for it."""

from __future__ import annotations

import json
import re

from kanae.execute.events import Outcome
from kanae.layout import ports, units
from kanae.plan import actions
from kanae.plan.model import Step
from kanae.plan.nodes import OWNED
from kanae.render.objects import key_of

from ..in_cluster import answers
from ..world import Object, World
from .base import Effects, failed, require_api, wait


def mint_token(world: World, step: Step, action: actions.MintToken) -> Effects:
    require_api(world, step)
    yield
    return Outcome.CHANGED


def lead_to(world: World, step: Step, action: actions.LeadTo) -> Effects:
    host = world.hosts[step.host or ""]
    yield from wait(
        step, lambda: "" if world.reached(action.server) else f"{action.server}: no answer"
    )
    for path in action.paths:
        text = re.sub(r"(?m)^( *server: ).*", rf"\g<1>{action.server}", host.text(path))
        host.write(path, text, 0o600)
        yield
    if action.kubelet and host.active(units.KUBELET):
        host.stop(units.KUBELET)
        yield
        host.start(units.KUBELET, "restart")
        host.sync_pods()
    yield
    return Outcome.CHANGED


def apply_objects(world: World, step: Step, action: actions.ApplyObjects) -> Effects:
    require_api(world, step)
    for text in action.documents:
        document: Object = json.loads(text)
        world.objects[key_of(document)] = document
        yield
    return Outcome.CHANGED


def set_node(world: World, step: Step, action: actions.SetNode) -> Effects:
    require_api(world, step)
    if action.node not in world.nodes:
        raise failed(step, f"node {action.node} not found")
    node = world.nodes[action.node]
    labels: dict[str, str] = node["metadata"]["labels"]
    labels.update(action.labels)
    for key in action.unlabel:
        labels.pop(key, None)
    node["metadata"]["annotations"] = {OWNED: ",".join(key for key, _ in action.labels)}
    if action.taints:
        node["spec"]["taints"] = json.loads(action.taints)
    yield
    return Outcome.CHANGED


def await_etcd(world: World, step: Step, action: actions.AwaitEtcd) -> Effects:
    def missing() -> str:
        asked = {url.partition("://")[2].partition(":")[0] for url in action.endpoints}
        lost = [
            host for host in world.spec.etcd_hosts
            if world.address(host) in asked and not world.etcd_runs(host)
        ]  # fmt: skip
        return ", ".join(f"{world.address(host)} is unhealthy" for host in lost)

    yield from wait(step, missing)
    return Outcome.OK


def await_api(world: World, step: Step, action: actions.AwaitApi) -> Effects:
    def answered() -> bool:
        if action.name:
            return answers(world, (action.address, action.port))
        return world.api_ready(step.host or "")

    yield from wait(step, lambda: "" if answered() else "refused")
    return Outcome.OK


def delete_objects(world: World, step: Step, action: actions.DeleteObjects) -> Effects:
    require_api(world, step)
    for key in action.keys:
        world.objects.pop(key, None)
        yield
    return Outcome.CHANGED


def await_guard(world: World, step: Step, action: actions.AwaitGuard) -> Effects:
    def missing() -> str:
        urls = {h: f"https://{world.address(h)}:{ports.API_SERVER}" for h in world.hosts}
        asked = [host for host, url in urls.items() if url in action.servers]
        return ", ".join(host for host in asked if not world.reconcilers.keeps_off(host))

    yield from wait(step, missing)
    return Outcome.OK


def await_kubelet(world: World, step: Step, action: actions.AwaitKubelet) -> Effects:
    host = world.hosts[step.host or ""]
    yield from wait(step, lambda: "" if host.active(units.KUBELET) else "refused")
    return Outcome.OK


def await_nodes(world: World, step: Step, action: actions.AwaitNodes) -> Effects:
    def missing() -> str:
        waiting = [node for node in action.nodes if not world.node_ready(node)]
        return f"not Ready: {', '.join(waiting)}" if waiting else ""

    yield from wait(step, missing)
    return Outcome.OK
