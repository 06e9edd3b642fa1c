"""Restoring a cluster from a snapshot of etcd. All of it may be repeated at any moment."""

from __future__ import annotations

from pathlib import Path

from kanae.errors import step_failed
from kanae.execute.conditions import Condition, Seen, poll
from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.execute.scripts import restore as scripts
from kanae.facts.parse_cluster import parse_hashes
from kanae.plan.actions import (
    AwaitSameData,
    DiscardReplaced,
    EndRestore,
    Fence,
    PlaceKeys,
    ReplaceData,
    RestartAgents,
    RestoreSnapshot,
    SaveSnapshot,
    Unfence,
)
from kanae.transport.protocol import Upload, must

_CRI = "`crictl ps` and `journalctl -u containerd -u kubelet` on the host say why"


async def save_snapshot(ctx: StepContext) -> Outcome:
    await must(
        ctx.transport(),
        scripts.save(ctx.action(SaveSnapshot)),
        command="etcdctl snapshot save",
        timeout=ctx.left(),
        remedy="nothing was changed; `df -h` and `journalctl -u etcd` on the host say why",
    )
    return Outcome.CHANGED


async def restore_snapshot(ctx: StepContext) -> Outcome:
    """The file is sent only where it is not, and its digest is told by the host itself."""
    action, transport = ctx.action(RestoreSnapshot), ctx.transport()
    done = await transport.run(scripts.looked(action), timeout=ctx.left())
    if done.status == 0:
        return Outcome.OK
    if done.status == scripts.LACKS_SNAPSHOT:
        ctx.progress(f"sending the snapshot, {action.size / 1e6:.0f} MB")
        upload = Upload(action.path, Path(action.source), 0o600)
        await transport.upload([upload], timeout=ctx.left())
    elif done.status != scripts.LACKS_DATA:
        raise step_failed(transport.host, "look for restored data", done.status, done.stderr)
    ctx.progress("restoring the snapshot")
    await must(
        transport,
        scripts.restore(action),
        command="etcdutl snapshot restore",
        timeout=ctx.left(),
        remedy="nothing was changed; with a sound file (kanae backup verify) see `df -h` there",
    )
    return Outcome.CHANGED


async def place_keys(ctx: StepContext) -> Outcome:
    action = ctx.action(PlaceKeys)
    await ctx.transport().upload([Upload(action.path, Path(action.source), 0o600)])
    return Outcome.CHANGED


async def fence(ctx: StepContext) -> Outcome:
    await must(
        ctx.transport(),
        scripts.fence(ctx.action(Fence), ctx.left_on_host()),
        command="stop API server and etcd",
        timeout=ctx.left(),
        remedy=f"{_CRI} it does not end; no data has been replaced yet",
    )
    return Outcome.CHANGED


async def replace_data(ctx: StepContext) -> Outcome:
    await must(
        ctx.transport(),
        scripts.replace(ctx.action(ReplaceData)),
        command="put etcd's data aside and the restored in its place",
        timeout=ctx.left(),
        remedy="what was there before is put aside, never removed; put right what is said, then "
        "go on with the same kanae restore",
    )
    return Outcome.CHANGED


async def unfence(ctx: StepContext) -> Outcome:
    action = ctx.action(Unfence)
    await must(
        ctx.transport(),
        scripts.unfence(action),
        command=f"start {', '.join(action.pods) or 'etcd'}",
        timeout=ctx.left(),
    )
    return Outcome.CHANGED


async def await_same_data(ctx: StepContext) -> Outcome:
    action, transport = ctx.action(AwaitSameData), ctx.transport()

    async def look() -> Seen:
        done = await transport.run(scripts.hashes(action), timeout=30)
        told = parse_hashes(done.stdout)
        if done.status != 0 or len(told) < len(action.endpoints):
            return Seen(False, done.stderr.strip()[-300:] or "not all members answer")
        same = len({each.hash for each in told.values()}) == 1
        high = all(each.revision >= action.revision for each in told.values())
        return Seen(same and high, "; ".join(f"{url}: {each}" for url, each in told.items()))

    await poll(
        Condition(
            transport.host,
            f"etcd's members to hold the same, at revision {action.revision} or later",
            look,
            "`journalctl -u etcd`, or `crictl logs` of the container etcd, on each of its hosts",
        ),
        timeout=ctx.left(),
        interval=0.5,
        progress=ctx.progress,
    )
    return Outcome.OK


async def restart_agents(ctx: StepContext) -> Outcome:
    await must(
        ctx.transport(),
        scripts.restart_agents(ctx.action(RestartAgents), ctx.left_on_host()),
        command="restart kubelet and the agents of the pod network",
        timeout=ctx.left(),
        remedy=_CRI,
    )
    return Outcome.CHANGED


async def end(ctx: StepContext) -> Outcome:
    await must(ctx.transport(), scripts.end(ctx.action(EndRestore)), command="end the restore")
    return Outcome.CHANGED


async def discard(ctx: StepContext) -> Outcome:
    await must(
        ctx.transport(),
        scripts.discard(ctx.action(DiscardReplaced)),
        command="remove what restores have put aside",
        timeout=ctx.left(),
    )
    return Outcome.CHANGED
