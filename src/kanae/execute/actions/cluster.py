"""Objects, nodes, and waiting for the cluster."""

from __future__ import annotations

import json
from typing import cast

from kanae.execute.conditions import Condition, Seen, poll
from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.execute.scripts import etcd, handover, kubectl, proxies
from kanae.facts.nodes import readiness
from kanae.plan.actions import (
    ApplyObjects,
    AwaitApi,
    AwaitEtcd,
    AwaitGuard,
    AwaitHandOver,
    AwaitKubelet,
    AwaitNodes,
    AwaitProxies,
    DeleteObjects,
    LeadTo,
    SetNode,
)
from kanae.render import in_cluster
from kanae.transport.protocol import must


async def apply_objects(ctx: StepContext) -> Outcome:
    """Server-side apply, as the field manager kanae."""
    documents = ctx.action(ApplyObjects).documents
    items = f'{{"apiVersion":"v1","kind":"List","items":[{",".join(documents)}]}}'
    await must(
        ctx.transport(),
        kubectl.apply(),
        command=f"kubectl apply ({len(documents)} objects)",
        stdin=items.encode(),
        timeout=ctx.left(),
    )
    return Outcome.CHANGED


async def delete_objects(ctx: StepContext) -> Outcome:
    keys = ctx.action(DeleteObjects).keys
    await must(
        ctx.transport(),
        kubectl.delete(ctx.action(DeleteObjects)),
        command=f"kubectl delete ({len(keys)} objects)",
        timeout=ctx.left(),
    )
    return Outcome.CHANGED


async def await_guard(ctx: StepContext) -> Outcome:
    return await _until_succeeds(
        ctx,
        kubectl.guarded(ctx.action(AwaitGuard)),
        f"the admission policy {in_cluster.GUARD} on every API server",
        "`crictl logs` of kube-apiserver on the host that is named says what it makes of it",
    )


async def await_proxies(ctx: StepContext) -> Outcome:
    return await _until_succeeds(
        ctx,
        proxies.led_elsewhere(ctx.action(AwaitProxies)),
        "kube-proxy to lead pods to the others",
        "`crictl logs` of kube-proxy on the host says why it does not change its rules",
    )


async def await_hand_over(ctx: StepContext) -> Outcome:
    action = ctx.action(AwaitHandOver)
    return await _until_succeeds(
        ctx,
        handover.ended(action),
        "clients to go to the other balancers",
        f"`journalctl -u {action.unit}` on the host says what it waits for",
    )


async def set_node(ctx: StepContext) -> Outcome:
    action = ctx.action(SetNode)
    await must(
        ctx.transport(),
        kubectl.set_node(action),
        command=f"kubectl patch node {action.node}",
        timeout=ctx.left(),
    )
    return Outcome.CHANGED


async def lead_to(ctx: StepContext) -> Outcome:
    action = ctx.action(LeadTo)
    await _until_succeeds(
        ctx,
        kubectl.answers(action),
        f"{action.server}/readyz",
        "the balancer there (`kanae status`), and the firewalls on the way (`kanae check`)",
    )
    await must(
        ctx.transport(),
        kubectl.lead_to(action),
        command=f"lead {', '.join(action.paths)} to {action.server}",
        timeout=ctx.left(),
    )
    return Outcome.CHANGED


async def await_etcd(ctx: StepContext) -> Outcome:
    return await _until_succeeds(
        ctx,
        etcd.health(ctx.action(AwaitEtcd)),
        "etcd's members to be healthy",
        "`journalctl -u etcd` on the hosts whose member does not answer",
    )


async def await_api(ctx: StepContext) -> Outcome:
    action = ctx.action(AwaitApi)
    return await _until_succeeds(
        ctx,
        kubectl.ready(action),
        f"https://{action.address}:{action.port}/readyz",
        "the balancer there (`kanae status`), and the firewalls on the way (`kanae check`)"
        if action.name == in_cluster.SERVICE
        else "`crictl ps -a` and `journalctl -u kubelet` on the host",
    )


async def await_kubelet(ctx: StepContext) -> Outcome:
    return await _until_succeeds(
        ctx,
        kubectl.kubelet_healthy(ctx.action(AwaitKubelet)),
        "kubelet to be healthy",
        "`journalctl -u kubelet -u containerd` on the host says what it refuses",
    )


async def _until_succeeds(ctx: StepContext, script: str, awaited: str, remedy: str) -> Outcome:
    """Run a script of one look until it ends with status 0; what it prints is what was seen."""
    transport = ctx.transport()

    async def look() -> Seen:
        done = await transport.run(script, timeout=15)
        return Seen(done.status == 0, " ".join(done.stdout.decode(errors="replace").split())[-300:])

    await poll(
        Condition(transport.host, awaited, look, remedy=remedy),
        timeout=ctx.left(),
        progress=ctx.progress,
    )
    return Outcome.OK


async def await_nodes(ctx: StepContext) -> Outcome:
    action = ctx.action(AwaitNodes)
    transport = ctx.transport()

    async def look() -> Seen:
        done = await transport.run(kubectl.nodes(), timeout=15)
        if done.status != 0:
            return Seen(False, done.stderr.strip()[-300:])
        found = _nodes(json.loads(done.stdout))
        if not action.network:
            missing = [name for name in action.nodes if name not in found]
            return Seen(not missing, f"not there: {', '.join(missing)}")
        waiting = [name for name in action.nodes if not found.get(name)]
        if waiting:
            return Seen(False, f"not Ready: {', '.join(waiting)}")
        done = await transport.run(kubectl.dns(), timeout=15)
        if done.status != 0:
            return Seen(False, done.stderr.strip()[-300:])
        return Seen(_available(done.stdout), "no CoreDNS pod is available yet")

    await poll(
        Condition(
            transport.host,
            "nodes to be Ready and cluster DNS to serve",
            look,
            remedy="`kubectl describe node` says what is missing; `kubectl get pods -A` whether "
            "the pod network and CoreDNS run",
        ),
        timeout=ctx.left(),
        interval=0.3,
        progress=ctx.progress,
    )
    return Outcome.OK


def _nodes(listed: object) -> dict[str, bool]:
    """Node -> whether it is Ready."""
    items = cast("dict[str, list[dict[str, dict[str, object]]]]", listed)["items"]
    return {str(item["metadata"]["name"]): readiness(item).ready for item in items}


def _available(deployment: bytes) -> bool:
    """Whether one pod of it is. A cluster whose CoreDNS was taken away on purpose has none."""
    if not deployment.strip():
        return True
    status = cast("dict[str, dict[str, int]]", json.loads(deployment)).get("status", {})
    return status.get("availableReplicas", 0) > 0
