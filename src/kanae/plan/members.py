"""Members that join an external etcd which is there: one after another, as learners first."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.plan.actions import AddMember, PromoteMember
from kanae.plan.draft import Draft
from kanae.plan.etcd import coming, member_resources, peer_url
from kanae.plan.model import Change, Verb
from kanae.plan.rolling import in_turn
from kanae.plan.waits import await_etcd


def plan(draft: Draft) -> None:
    """etcd refuses to add while a member is unhealthy, so hosts that are gone have left before, and
    each one that joins is in sync and votes before the next is added."""
    view = draft.view
    later = [host for host in coming(view) if host in draft.hosts]
    there = [host for host in view.spec.etcd_hosts if host not in later and host in draft.hosts]
    if not there:
        return

    def join(host: str, needs: Sequence[str | None]) -> str:
        peer, via = peer_url(view.spec, host), there[0]
        add = draft.builder.add(
            via,
            "etcd",
            f"add-{host}",
            f"add {host} to etcd as a learner",
            AddMember(peer),
            needs=[*needs, draft.at.quorum],
            changes=[Change(Verb.CREATE, "etcd member", host, peer)],
        )
        started = draft.hosts[host].converge(
            "etcd-member",
            "etcd",
            member_resources(view, host),
            needs=[add, draft.at.certificates.get(host)],
        )
        promoted = draft.builder.add(
            via,
            "etcd",
            f"promote-{host}",
            f"let {host} vote in etcd",
            PromoteMember(peer),
            needs=[add, started],
            changes=[Change(Verb.UPDATE, "etcd member", host, "learner to voter")],
        )
        waiting = later[later.index(host) + 1 :]
        return await_etcd(draft, via, "etcd", f"joined-{host}", promoted, without=waiting)

    ends = in_turn(later, join, after=draft.at.left)
    if ends:
        draft.at.quorum = ends[-1]
