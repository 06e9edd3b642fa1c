"""Who the members of etcd are: changed one at a time, by a member that stays.

Every one of these finds out first how things are, so that all may be repeated at any moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kanae.errors import StepFailed, StepTimedOut
from kanae.execute.conditions import Condition, Seen, poll
from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.execute.scripts import etcd
from kanae.facts.model import EtcdMember
from kanae.facts.parse_cluster import parse_health, parse_leader, parse_members
from kanae.plan.actions import AddMember, MoveLeader, PromoteMember, RemoveMember
from kanae.transport.protocol import Transport, must

# Seconds for one question to members, some of which may not answer.
_ANSWER = 15.0
# Seconds that members get to be well again after whatever came before, an election say.
_RECOVERY = 20.0
_SICK = (
    "`journalctl -u etcd`, or `crictl logs` of the container etcd, says why on the hosts whose "
    "member does not answer"
)


@dataclass(frozen=True, slots=True)
class Health:
    """Of some members. sick: what is wrong, by peer URL."""

    well: frozenset[str]
    sick: dict[str, str]

    def __str__(self) -> str:
        lines = [f"{url} is healthy" for url in sorted(self.well)]
        lines += [f"{url} is not: {why}" for url, why in self.sick.items()]
        return "; ".join(lines) or "there is none"


async def listed(transport: Transport) -> tuple[EtcdMember, ...]:
    text = await must(transport, etcd.members(), command="etcdctl member list", timeout=_ANSWER)
    return parse_members(text)


def having(members: Iterable[EtcdMember], peer: str) -> EtcdMember | None:
    """The member with exactly this peer URL."""
    return next((member for member in members if peer in member.peer_urls), None)


async def _health(transport: Transport, members: Iterable[EtcdMember]) -> Health:
    """One that never started has no client URL to be asked at."""
    asked = {member.peer_urls[0]: member.client_urls for member in members if member.peer_urls}
    urls = [url for urls in asked.values() for url in urls]
    answers: dict[str, str] = {}
    if urls:
        done = await transport.run(etcd.answering(urls), timeout=_ANSWER)
        answers = parse_health(done.stdout)
    sick = {
        peer: answers.get(urls[0], "no answer") if urls else "it has not started yet"
        for peer, urls in asked.items()
        if not any(answers.get(url, "no answer") == "" for url in urls)
    }
    return Health(frozenset(asked.keys() - sick.keys()), sick)


async def _stay(transport: Transport, peer: str) -> Health:
    """Of the voters but the one with this peer URL."""
    members = await listed(transport)
    voters = [each for each in members if not each.learner and peer not in each.peer_urls]
    return await _health(transport, voters)


async def move_leader(ctx: StepContext) -> Outcome:
    peer = ctx.action(MoveLeader).peer
    transport = ctx.transport()
    moved = False

    async def look() -> Seen:
        nonlocal moved
        members = await listed(transport)
        member = having(members, peer)
        voters = [each for each in members if not each.learner]
        if member is None or voters == [member]:
            return Seen(True)
        text = await must(
            transport, etcd.status(), command="etcdctl endpoint status", timeout=_ANSWER
        )
        here, leader = parse_leader(text)
        if leader != member.id:
            return Seen(leader != "0", "there is no leader")
        others = [each for each in voters if each is not member]
        health = await _health(transport, others)
        able = [each for each in others if health.well.intersection(each.peer_urls)]
        if not able or not member.client_urls:
            return Seen(False, f"no other member can lead: {health}")
        # The one that was asked first: it is known to stay.
        to = next((each for each in able if each.id == here), able[0])
        moved = True
        await must(
            transport,
            etcd.move_leader(member.client_urls[0], to.id),
            command=f"etcdctl move-leader {to.id}",
            timeout=_ANSWER,
        )
        return Seen(False, f"asked for {to.name or to.id} to lead")

    condition = Condition(transport.host, f"another member than {peer} to lead etcd", look, _SICK)
    await poll(condition, timeout=ctx.left(), progress=ctx.progress)
    return Outcome.CHANGED if moved else Outcome.OK


async def remove_member(ctx: StepContext) -> Outcome:
    """A learner has no vote that could be missed."""
    action = ctx.action(RemoveMember)
    transport = ctx.transport()
    member = having(await listed(transport), action.peer)
    if member is None:
        return Outcome.OK
    stay: frozenset[str] = frozenset()
    if not member.learner:
        stay = await _enough(ctx, action)
    await leave(transport, action.peer, ctx.left())

    async def look() -> Seen:
        health = await _stay(transport, action.peer)
        return Seen(stay <= health.well, str(health))

    await poll(
        Condition(transport.host, "the members that stay to be healthy", look, _SICK),
        timeout=ctx.left(),
        progress=ctx.progress,
    )
    return Outcome.CHANGED


async def _enough(ctx: StepContext, action: RemoveMember) -> frozenset[str]:
    """The healthy voters that stay, by their first peer URL; StepFailed when they are too few."""
    transport = ctx.transport()
    health = Health(frozenset(), {})

    async def look() -> Seen:
        nonlocal health
        health = await _stay(transport, action.peer)
        return Seen(len(health.well) >= action.keep, str(health))

    condition = Condition(transport.host, f"{action.keep} healthy members to stay in etcd", look)
    try:
        await poll(
            condition, timeout=min(_RECOVERY, ctx.left() / 2), interval=1.0, progress=ctx.progress
        )
    except StepTimedOut as error:
        raise StepFailed(
            transport.host,
            f"etcdctl endpoint health (before {action.peer} is removed)",
            1,
            f"etcd would be left with {len(health.well)} of the {action.keep} healthy members that "
            f"it must have: {condition.last}",
            remedy=f"nothing was removed; {_SICK}",
        ) from error
    return health.well


async def leave(transport: Transport, peer: str, timeout: float) -> None:
    """The member with this peer URL is removed, if it is there. etcd refuses while the others are
    not connected for 5 s (mayRemoveMember of its server.go), so that it is asked again."""

    async def look() -> Seen:
        member = having(await listed(transport), peer)
        if member is None:
            return Seen(True)
        done = await transport.run(etcd.remove(member.id), timeout=_ANSWER)
        return Seen(done.status == 0, _last(done.stderr))

    await poll(
        Condition(transport.host, f"etcd to remove its member {peer}", look, _SICK),
        timeout=timeout,
        interval=1.0,
    )


async def add_member(ctx: StepContext) -> Outcome:
    peer = ctx.action(AddMember).peer
    transport = ctx.transport()
    added = False

    async def look() -> Seen:
        nonlocal added
        members = await listed(transport)
        if having(members, peer) is not None:
            return Seen(True)
        done = await transport.run(etcd.add(peer), timeout=_ANSWER)
        if done.status == 0:
            added = True
            return Seen(True)
        learners = [url for each in members if each.learner for url in each.peer_urls]
        told = f"; learner: {', '.join(learners)}" if learners else ""
        return Seen(False, _last(done.stderr) + told)

    await poll(
        Condition(
            transport.host,
            f"etcd to take {peer} as a learner",
            look,
            "etcd takes one while a quorum of the members, the new one counted, is connected, and "
            "one learner at a time: bring back or remove the members that do not answer, promote "
            "or remove the learner (`etcdctl member list` shows both)",
        ),
        timeout=ctx.left(),
        interval=1.0,
        progress=ctx.progress,
    )
    return Outcome.CHANGED if added else Outcome.OK


async def promote_member(ctx: StepContext) -> Outcome:
    peer = ctx.action(PromoteMember).peer
    transport = ctx.transport()
    member = having(await listed(transport), peer)
    if member is None:
        raise StepFailed(
            transport.host,
            "etcdctl member list",
            1,
            f"etcd has no member {peer}",
            remedy="somebody has removed it: run it again, so that it is added anew",
        )
    if not member.learner:
        return Outcome.OK

    async def look() -> Seen:
        learner = having(await listed(transport), peer)
        if learner is not None and not learner.learner:
            return Seen(True)
        done = await transport.run(etcd.promote(member.id), timeout=_ANSWER)
        started = learner is None or learner.name
        return Seen(done.status == 0, _last(done.stderr) if started else "it has not started yet")

    await poll(
        Condition(
            transport.host,
            f"the learner {peer} to be in sync and a voter",
            look,
            "`journalctl -u etcd`, or `crictl logs` of the container etcd, on the learner's host",
        ),
        timeout=ctx.left(),
        interval=0.5,
        progress=ctx.progress,
    )
    return Outcome.CHANGED


def _last(stderr: str) -> str:
    """etcdctl's own words, which come after what its client library logs."""
    lines = stderr.strip().splitlines()
    return lines[-1].removeprefix("Error: ")[-300:] if lines else "no answer"
