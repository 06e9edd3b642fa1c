"""Objects in the cluster, and waiting for it."""

from __future__ import annotations

import json
import re

from kanae.execute.events import Outcome
from kanae.layout import ports, units
from kanae.plan import actions
from kanae.plan.endpoint import CLUSTER_INFO, servers
from kanae.plan.model import Step
from kanae.plan.nodes import OWNED
from kanae.render import in_cluster
from kanae.render.kubeadm import held
from kanae.render.objects import key_of

from ..in_cluster import behind
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
    if action.kubelet:
        host.stop(units.KUBELET)
        yield
    for path in action.paths:
        text = re.sub(r"(?m)^( *server: ).*", rf"\g<1>{action.server}", host.text(path))
        host.write(path, text, 0o600)
        yield
    if action.kubelet:
        host.start(units.KUBELET, "start")
        host.sync_pods()
        yield
    return Outcome.CHANGED


def apply_objects(world: World, step: Step, action: actions.ApplyObjects) -> Effects:
    require_api(world, step)
    for text in action.documents:
        document: Object = json.loads(text)
        if key_of(document) == CLUSTER_INFO:
            for url in servers(held(document, "kubeconfig")):
                world.led(url)
        for place in in_cluster.led(document):
            world.led(f"https://{place}")
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
    """Of the host itself, or of a balancer, whose servers have the Service's name at any rate."""
    host = world.hosts[step.host or ""]

    def missing() -> str:
        if action.name == in_cluster.SERVICE:
            return "" if world.answering(action.address, action.port) else "refused"
        if not world.api_ready(host.name):
            return "refused"
        good = not action.name or action.name in world.names(host.name)
        return "" if good else f"x509: certificate is not valid for {action.name}"

    yield from wait(step, missing)
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


def await_proxies(world: World, step: Step, action: actions.AwaitProxies) -> Effects:
    def still() -> str:
        pairs = [f"{address}:{port}" for address, port in behind(world)]
        return ", ".join(pair for pair in pairs if pair in action.gone)

    yield from wait(step, still)
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
