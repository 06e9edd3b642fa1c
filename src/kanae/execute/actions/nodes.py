"""Taking a node out of its cluster: its pods, its volumes, its Node object."""

from __future__ import annotations

import json
from typing import cast

from kanae.errors import KanaeError, StepFailed, StepTimedOut
from kanae.execute.conditions import Condition, Seen, poll
from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.execute.scripts import nodes
from kanae.facts.nodes import cordoned, cordoned_by_us, readiness
from kanae.facts.pods import Pod, budgets, pods, why_here
from kanae.plan.actions import DeleteNode, DrainNode, ReleaseVolumes
from kanae.transport.protocol import Transport, must

# Seconds for which kubectl evicts before it is seen what is left; then it goes on.
_TURN = 10
# Seconds for a node to take pods again that could not be drained: within what a step keeps back.
_UNCORDON = 20.0


async def drain(ctx: StepContext) -> Outcome:
    """kubectl itself evicts, again and again: it knows the pods that stay and repeats what a budget
    refuses for the moment. What it says of pods that do not leave is not enough to act upon."""
    action = ctx.action(DrainNode)
    name, transport = action.node, ctx.transport()
    text = await must(transport, nodes.get(name), command=f"kubectl get node {name}")
    if not text.strip():
        return Outcome.OK
    node = cast("dict[str, object]", json.loads(text))
    ready = readiness(node).ready
    here = await _leaving(transport, name)
    if ready and any(pod.alone for pod in here):
        raise _blocked(
            transport,
            name,
            {str(pod): why_here(pod, ()) for pod in here if pod.alone},
            f"nothing was evicted and {name} still takes pods: delete these pods if nobody needs "
            "them, or have a controller (a Deployment, say) start them, then run it again",
        )
    ours = action.returns and (cordoned_by_us(node) or not cordoned(node))
    script = nodes.set_aside(name) if ours else nodes.cordon(name)
    await must(transport, script, command=f"kubectl cordon {name}", timeout=ctx.left())
    if ready:
        try:
            await _evict(ctx, action)
        except KanaeError:
            if ours:
                await uncordon(transport, name)
            raise
    return Outcome.CHANGED


async def uncordon(transport: Transport, name: str) -> None:
    command = f"kubectl uncordon {name}"
    await must(transport, nodes.uncordon(name), command=command, timeout=_UNCORDON)


async def _evict(ctx: StepContext, action: DrainNode) -> None:
    name, transport = action.node, ctx.transport()
    blocking: dict[str, str] = {}

    async def look() -> Seen:
        # There is always time left to find out what blocks; until then the last answer stands.
        turn = max(1, min(_TURN, int(ctx.left() / 2)))
        # A host that was lost just now is taken for Ready until its lease has run out.
        text = await must(transport, nodes.get(name), command=f"kubectl get node {name}")
        if not text.strip() or not _ready(text):
            return Seen(True)
        done = await transport.run(nodes.drain(name, turn), timeout=turn + 15.0)
        if done.status == 0:
            return Seen(True)
        here = await _leaving(transport, name)
        listed = await must(
            transport, nodes.budgets(), command="kubectl get poddisruptionbudgets", timeout=20
        )
        known = budgets(json.loads(listed))
        blocking.clear()
        blocking.update({str(pod): why_here(pod, known) for pod in here})
        told = "; ".join(f"{pod} {why}" for pod, why in blocking.items())
        return Seen(False, told or done.stderr.strip()[-300:])

    condition = Condition(transport.host, f"the pods of {name} to leave it", look)
    stays = (
        f"{name} takes pods again, and its kubelet is as it was"
        if action.returns
        else f"{name} stays cordoned and the pods that have left stay away"
    )
    keep = "" if action.returns else f"; to keep the node after all: kubectl uncordon {name}"
    remedy = (
        f"{stays}. Give each pod above room to leave (more replicas, a budget that allows one to "
        f"be away, or delete it), then run it again{keep}"
    )
    try:
        await poll(condition, timeout=ctx.left(), interval=1.0, progress=ctx.progress)
    except StepTimedOut as error:
        if blocking:
            raise _blocked(transport, name, blocking, remedy) from error
        raise StepTimedOut(transport.host, error.what, remedy=remedy) from error


def _ready(node: bytes) -> bool:
    return readiness(cast("dict[str, object]", json.loads(node))).ready


async def _leaving(transport: Transport, node: str) -> list[Pod]:
    """The pods there that a drain takes away, those first that come first by name."""
    text = await must(transport, nodes.pods(node), command=f"kubectl get pods (of {node})")
    return sorted((pod for pod in pods(json.loads(text)) if not pod.stays), key=str)


def _blocked(transport: Transport, node: str, why: dict[str, str], remedy: str) -> StepFailed:
    lines = [f"{pod} {reason}" for pod, reason in why.items()]
    if len(lines) > 15:
        lines = [*lines[:15], f"and {len(lines) - 15} more"]
    count = "1 pod does" if len(why) == 1 else f"{len(why)} pods do"
    text = "\n".join([f"{count} not leave:", *lines])
    return StepFailed(transport.host, f"kubectl drain {node}", 1, text, remedy=remedy)


async def release_volumes(ctx: StepContext) -> Outcome:
    """To the end: a node whose object is deleted has no taint any more, and what is then still
    attached waits for six minutes (pkg/controller/volume/attachdetach/reconciler)."""
    name = ctx.action(ReleaseVolumes).node
    transport = ctx.transport()
    said = await must(
        transport,
        nodes.release_volumes(name),
        command=f"kubectl taint node {name} {nodes.OUT_OF_SERVICE}",
        timeout=ctx.left(),
    )
    if nodes.GONE in said.decode():
        return Outcome.OK

    async def look() -> Seen:
        text = await must(
            transport, nodes.attached(name), command="kubectl get volumeattachments", timeout=15
        )
        volumes = text.decode().split()
        return Seen(not volumes, f"attached: {', '.join(volumes)}")

    await poll(
        Condition(
            transport.host,
            f"the volumes of {name} to be detached",
            look,
            remedy="`kubectl describe volumeattachments` says why the storage does not let go; "
            "its CSI driver's controller has to run",
        ),
        timeout=ctx.left(),
        interval=1.0,
        progress=ctx.progress,
    )
    return Outcome.CHANGED


async def delete(ctx: StepContext) -> Outcome:
    await delete_node(ctx.transport(), ctx.action(DeleteNode).node, ctx.left())
    return Outcome.CHANGED


async def delete_node(transport: Transport, node: str, timeout: float) -> None:
    await must(
        transport, nodes.delete(node), command=f"kubectl delete node {node}", timeout=timeout
    )
