"""Taking a cluster off a host."""

from __future__ import annotations

from kanae.execute import kubeconfig
from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.execute.scripts import files, reset
from kanae.plan.actions import RemoveCluster, RemoveEtcd, RemoveKubeconfig, StopApiServer, StopNode
from kanae.transport.protocol import Upload, must, must_text


async def stop_api_server(ctx: StepContext) -> Outcome:
    ctx.action(StopApiServer)
    await must(
        ctx.transport(),
        reset.stop_api_server(),
        command="stop the API server",
        timeout=ctx.left(),
        remedy="`crictl ps` and `journalctl -u containerd` on the host say why it does not end",
    )
    return Outcome.CHANGED


async def stop_node(ctx: StepContext) -> Outcome:
    ctx.action(StopNode)
    await must(
        ctx.transport(), reset.stop_node(), command="stop kubelet and pods", timeout=ctx.left()
    )
    return Outcome.CHANGED


async def remove_etcd(ctx: StepContext) -> Outcome:
    await must(
        ctx.transport(),
        reset.remove_etcd(ctx.action(RemoveEtcd)),
        command="stop etcd and remove its data",
        timeout=ctx.left(),
    )
    return Outcome.CHANGED


async def remove_kubeconfig(ctx: StepContext) -> Outcome:
    action = ctx.action(RemoveKubeconfig)
    transport, path = ctx.transport(), action.path
    text = await must_text(transport, files.read_if_there(path), command=f"cat {path}")
    if not text.strip():
        return Outcome.OK
    left = kubeconfig.without(text, action.cluster)
    if left is None:
        await must(transport, files.remove(path), command=f"rm {path}")
        return Outcome.CHANGED
    await transport.upload([Upload(path, kubeconfig.to_text(left).encode(), 0o600, action.owner)])
    return Outcome.CHANGED


async def remove_cluster(ctx: StepContext) -> Outcome:
    await must(
        ctx.transport(),
        reset.remove_cluster(ctx.action(RemoveCluster)),
        command="remove the cluster's files",
        timeout=ctx.left(),
    )
    return Outcome.CHANGED
