"""etcd's members come and go as etcd allows it, and never so that a quorum is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from kanae.errors import StepFailed, StepTimedOut
from kanae.execute.actions import membership
from kanae.execute.events import Outcome
from kanae.execute.scripts import etcd
from kanae.facts.model import EtcdMember
from kanae.facts.parse_cluster import parse_health, parse_leader, parse_members
from kanae.plan.actions import AddMember, MoveLeader, PromoteMember, RemoveMember
from kanae.transport.protocol import Completed

from .one_host import PlayedHost, carry_out

# Its first member is on the host that is asked.
PEERS = [f"https://10.0.0.{number}:2380" for number in (1, 2, 3)]
NEW = "https://10.0.0.30:2380"
# As etcdctl v3.7.3 says it, after what its client library logs.
LOGGED = '{"level":"warn","msg":"retrying of unary invoker failed"}\nError: '


def client(peer: str) -> str:
    return peer.replace("2380", "2379")


def member(number: int, peer: str, *, learner: bool = False, started: bool = True) -> EtcdMember:
    clients = (client(peer),) if started else ()
    return EtcdMember(f"{number + 9:x}", f"m{number}" if started else "", (peer,), clients, learner)


@dataclass
class Etcd:
    """refuses: what changes are answered with, one after another, before they are done. dead:
    peer URLs. heals: how many looks at health it takes until the dead are back, 0 for never.
    """

    members: list[EtcdMember] = field(
        default_factory=lambda: [member(n, peer) for n, peer in enumerate(PEERS, 1)]
    )
    leader: str = "a"
    dead: set[str] = field(default_factory=set[str])
    refuses: list[str] = field(default_factory=list[str])
    heals: int = 0
    changes: list[str] = field(default_factory=list[str])

    @property
    def host(self) -> PlayedHost:
        return PlayedHost(self.answer)

    def answer(self, script: str) -> Completed:
        if script == etcd.members():
            listed = [
                {"ID": int(each.id, 16), "peerURLs": each.peer_urls}
                | ({"name": each.name, "clientURLs": each.client_urls} if each.name else {})
                | ({"isLearner": True} if each.learner else {})
                for each in self.members
            ]
            return Completed(0, json.dumps({"header": {}, "members": listed}).encode(), "")
        if script == etcd.status():
            status = {"header": {"member_id": 10}, "leader": int(self.leader, 16)}
            return Completed(0, json.dumps([{"Endpoint": "", "Status": status}]).encode(), "")
        if "endpoint health" in script:
            return self._health(script)
        if self.refuses:
            return Completed(1, b"", f"{LOGGED}etcdserver: {self.refuses.pop(0)}\n")
        return self._change(script)

    def _health(self, script: str) -> Completed:
        said: list[Mapping[str, object]] = []
        for each in self.members:
            for url in each.client_urls:
                if url in script:
                    error = {"error": "context deadline exceeded"}
                    bad = self.dead.intersection(each.peer_urls)
                    said.append(
                        {"endpoint": url, "health": not bad, "took": "3s"} | (error if bad else {})
                    )
        self.heals -= 1
        if not self.heals:
            self.dead.clear()
        return Completed(1 if self.dead else 0, json.dumps(said).encode(), "")

    def _change(self, script: str) -> Completed:
        for each in self.members:
            if script == etcd.remove(each.id):
                self.members.remove(each)
                self.changes.append(f"remove {each.id}")
            elif script == etcd.promote(each.id):
                self.members[self.members.index(each)] = replace(each, learner=False)
                self.changes.append(f"promote {each.id}")
            elif self.leader != "0" and script == etcd.move_leader(self._leads(), each.id):
                self.leader = each.id
                self.changes.append(f"lead {each.id}")
            else:
                continue
            return Completed(0, b"", "")
        assert script == etcd.add(NEW), script
        self.members.append(member(5, NEW, learner=True, started=False))
        self.changes.append("add")
        return Completed(0, b"", "")

    def _leads(self) -> str:
        return next(each.client_urls[0] for each in self.members if each.id == self.leader)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second between two looks is not waited for."""
    poll = membership.poll

    async def hurried(condition: object, **options: object) -> None:
        await poll(condition, **options | {"interval": 0.001})  # type: ignore[arg-type]  # as given

    monkeypatch.setattr(membership, "poll", hurried)


# Finding


def test_a_member_is_found_by_its_whole_address_only() -> None:
    other = member(1, "https://10.0.0.11:2380")
    several = replace(member(2, PEERS[0]), peer_urls=("https://192.168.0.1:2380", PEERS[0]))
    assert membership.having([other, several], PEERS[0]) is several
    assert membership.having([other], PEERS[0]) is None


def test_what_etcdctl_says_is_read() -> None:
    """As etcdctl v3.7.3 prints them."""
    listing = (
        b'{"header":{"cluster_id":17237436991929493444,"member_id":9372538179322589801,'
        b'"raft_term":2},"members":[{"ID":9372538179322589801,"name":"infra1",'
        b'"peerURLs":["http://127.0.0.1:12380"],"clientURLs":["http://127.0.0.1:2379"]},'
        b'{"ID":10501334649042878790,"peerURLs":["http://127.0.0.1:22380"],"isLearner":true}]}\n'
    )
    first, second = parse_members(listing)
    assert (first.id, first.name, first.learner) == ("8211f1d0f64f3269", "infra1", False)
    assert (second.id, second.name, second.learner) == ("91bc3c398fb3c146", "", True)
    assert second.client_urls == ()
    status = b'[{"Endpoint":"e","Status":{"header":{"member_id":10},"leader":11,"raftTerm":2}}]'
    assert parse_leader(status) == ("a", "b")
    assert parse_leader(b"") == ("0", "0")
    health = (
        b'[{"endpoint":"https://a:2379","health":true,"took":"2ms"},'
        b'{"endpoint":"https://b:2379","health":false,"took":"3s","error":"deadline"}]'
    )
    assert parse_health(health) == {"https://a:2379": "", "https://b:2379": "deadline"}


# Leaving


async def test_a_member_leaves_when_enough_stay_healthy() -> None:
    fake = Etcd()
    action = RemoveMember(PEERS[2], keep=2)
    assert await carry_out(membership.remove_member, fake.host, action) is Outcome.CHANGED
    assert fake.changes == ["remove c"]
    assert await carry_out(membership.remove_member, fake.host, action) is Outcome.OK
    assert fake.changes == ["remove c"]


async def test_a_dead_one_leaves_too() -> None:
    fake = Etcd(dead={PEERS[1]})
    action = RemoveMember(PEERS[1], keep=2)
    assert await carry_out(membership.remove_member, fake.host, action) is Outcome.CHANGED
    assert fake.changes == ["remove b"]


async def test_none_leaves_when_too_few_would_be_healthy() -> None:
    fake = Etcd(dead={PEERS[1]})
    with pytest.raises(StepFailed) as caught:
        await carry_out(
            membership.remove_member, fake.host, RemoveMember(PEERS[2], keep=2), timeout=0.5
        )
    assert fake.changes == []
    assert caught.value.stderr == (
        "etcd would be left with 1 of the 2 healthy members that it must have: "
        f"{PEERS[0]} is healthy; {PEERS[1]} is not: context deadline exceeded"
    )
    assert caught.value.remedy.startswith("nothing was removed; `journalctl -u etcd`")


async def test_a_learner_is_not_counted_on_and_leaves_always() -> None:
    fake = Etcd(dead={PEERS[1]})
    fake.members.append(member(4, NEW, learner=True))
    action = RemoveMember(PEERS[2], keep=2)
    with pytest.raises(StepFailed):
        await carry_out(membership.remove_member, fake.host, action, timeout=0.3)
    leaving = RemoveMember(NEW, keep=3)
    assert await carry_out(membership.remove_member, fake.host, leaving) is Outcome.CHANGED
    assert fake.changes == ["remove d"]


async def test_an_election_of_a_moment_is_waited_for() -> None:
    fake = Etcd(dead={PEERS[1]}, heals=3)
    action = RemoveMember(PEERS[2], keep=2)
    assert await carry_out(membership.remove_member, fake.host, action) is Outcome.CHANGED


async def test_etcd_is_asked_again_while_it_refuses_a_removal() -> None:
    fake = Etcd(refuses=["unhealthy cluster"] * 3)
    action = RemoveMember(PEERS[2], keep=2)
    assert await carry_out(membership.remove_member, fake.host, action) is Outcome.CHANGED
    assert fake.changes == ["remove c"]


async def test_a_member_that_stays_and_is_not_well_again_is_told() -> None:
    fake = Etcd()
    host = fake.host
    answer = host.answer

    def falling_ill(script: str) -> Completed:
        done = answer(script)
        if fake.changes:
            fake.dead = {PEERS[1]}
        return done

    host.answer = falling_ill
    with pytest.raises(StepTimedOut, match=f"{PEERS[1]} is not: context deadline exceeded"):
        await carry_out(membership.remove_member, host, RemoveMember(PEERS[2], keep=2), timeout=0.5)


# Coming


@pytest.mark.parametrize("reason", ["unhealthy cluster", "too many learner members in cluster"])
async def test_etcd_is_asked_again_until_it_takes_a_learner(reason: str) -> None:
    fake = Etcd(refuses=[reason] * 3)
    assert await carry_out(membership.add_member, fake.host, AddMember(NEW)) is Outcome.CHANGED
    assert await carry_out(membership.add_member, fake.host, AddMember(NEW)) is Outcome.OK
    assert fake.changes == ["add"]


async def test_what_etcd_refuses_a_learner_for_is_told_in_the_end() -> None:
    fake = Etcd(refuses=["too many learner members in cluster"] * 100_000)
    fake.members.append(member(4, "https://10.0.0.4:2380", learner=True, started=False))
    with pytest.raises(StepTimedOut) as caught:
        await carry_out(membership.add_member, fake.host, AddMember(NEW), timeout=0.3)
    assert caught.value.message.endswith(
        f"for etcd to take {NEW} as a learner; last seen: etcdserver: too many learner members "
        "in cluster; learner: https://10.0.0.4:2380"
    )
    assert "promote or remove the learner" in caught.value.remedy


async def test_a_learner_becomes_a_voter_as_soon_as_it_is_in_sync() -> None:
    fake = Etcd(refuses=["can only promote a learner member which is in sync with leader"] * 3)
    fake.members.append(member(4, NEW, learner=True))
    action = PromoteMember(NEW)
    assert await carry_out(membership.promote_member, fake.host, action) is Outcome.CHANGED
    assert await carry_out(membership.promote_member, fake.host, action) is Outcome.OK
    assert fake.changes == ["promote d"]


async def test_a_learner_that_never_starts_is_told() -> None:
    fake = Etcd(refuses=["can only promote a learner member which is in sync"] * 100_000)
    fake.members.append(member(4, NEW, learner=True, started=False))
    with pytest.raises(StepTimedOut, match="last seen: it has not started yet"):
        await carry_out(membership.promote_member, fake.host, PromoteMember(NEW), timeout=0.3)


async def test_who_is_no_member_cannot_be_promoted() -> None:
    with pytest.raises(StepFailed, match=f"etcd has no member {NEW}"):
        await carry_out(membership.promote_member, Etcd().host, PromoteMember(NEW))


# Leading


async def test_the_member_that_is_asked_leads_from_then_on() -> None:
    fake = Etcd(leader="c")
    action = MoveLeader(PEERS[2])
    assert await carry_out(membership.move_leader, fake.host, action) is Outcome.CHANGED
    assert await carry_out(membership.move_leader, fake.host, action) is Outcome.OK
    assert fake.changes == ["lead a"]


async def test_a_healthy_voter_leads_where_the_asked_one_cannot() -> None:
    fake = Etcd(leader="c", dead={PEERS[0]})
    assert await carry_out(membership.move_leader, fake.host, MoveLeader(PEERS[2]))
    assert fake.changes == ["lead b"]


@pytest.mark.parametrize(
    ("leader", "members"),
    [("b", slice(None)), ("c", slice(2, None)), ("c", slice(2))],
    ids=["another leads", "alone", "no member"],
)
async def test_nothing_moves_without_need(leader: str, members: slice) -> None:
    fake = Etcd(leader=leader)
    fake.members = fake.members[members]
    assert await carry_out(membership.move_leader, fake.host, MoveLeader(PEERS[2])) is Outcome.OK
    assert fake.changes == []


async def test_a_leader_that_nobody_can_follow_is_told() -> None:
    fake = Etcd(leader="c", dead=set(PEERS[:2]))
    with pytest.raises(StepTimedOut, match="no other member can lead"):
        await carry_out(membership.move_leader, fake.host, MoveLeader(PEERS[2]), timeout=0.3)
    assert fake.changes == []
