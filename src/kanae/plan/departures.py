"""Hosts that leave the cluster: out of every balancer, drained, out of etcd, deleted, wiped.

What is done on the host itself is left out where it does not answer, or is not this cluster's any
more. The cluster remembers the host until all else is done, so that a run that was cut off is gone
on with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kanae.errors import Refused
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan import rebuilt
from kanae.plan.actions import (
    Converge,
    DeleteNode,
    DrainNode,
    MoveLeader,
    ReleaseVolumes,
    RemoveMember,
    StopApiServer,
)
from kanae.plan.draft import Draft
from kanae.plan.etcd import answers, coming, peer_url
from kanae.plan.membership import KnownHost, roster, shared
from kanae.plan.model import Action, Change, Verb
from kanae.plan.reset import forget_cluster, remove_etcd, stop_node, take_off, untouched
from kanae.plan.rolling import in_turn
from kanae.plan.view import View
from kanae.resources.file import File
from kanae.resources.unit import NoUnit
from kanae.spec.models import EtcdTopology, Role

STAGE = "departure"


def refuse(view: View) -> None:
    """What the others do for hosts that leave must be possible. Raises Refused."""
    if not view.leaving:
        return
    leaving = {host.name: host for host in view.leaving}
    if alive := sorted(view.site.off & leaving.keys() & view.facts.hosts.keys()):
        raise Refused(
            f"{', '.join(alive)} is said to be off, and answers",
            remedy="leave --off away: a host that answers is drained and stopped",
        )
    if others := sorted(view.site.off - leaving.keys()):
        raise Refused(
            f"{', '.join(others)} is said to be off, and is not leaving the cluster",
            remedy=f"say --off only of hosts that leave: {', '.join(leaving)}",
        )
    at = {str(entry.address): name for name, entry in view.spec.hosts.items()}
    for name, host in leaving.items():
        if successor := at.get(host.address):
            raise Refused(
                f"{name} leaves the cluster and {successor} has its address ({host.address}): a "
                "host cannot be renamed, since its node and its certificates have its name",
                remedy=f"take {successor} out of the spec and apply, so that {name} leaves; then "
                f"add {successor} and apply again",
            )
    names = ", ".join(map(str, view.leaving))
    if view.unanswered:
        raise Refused(
            f"{names} cannot leave the cluster while no API server answers",
            remedy="kanae status tells what is down; put it right, or put the hosts back into the "
            "spec, then apply again",
        )
    former = {str(each.address) for each in view.spec.endpoint.former}
    for host in view.leaving:
        if host.address in former:
            raise Refused(
                f"{host.name} has an address of endpoint.former ({host.address}), where it is to "
                "go on answering",
                remedy=f"put {host.name} back into the spec, or take that out of endpoint.former",
            )
        if host.address == str(view.spec.endpoint_address):
            raise Refused(
                f"{host.name} has the address of the endpoint ({host.address}): without it nobody "
                "reaches the API",
                remedy=f"put {host.name} back into the spec",
            )
    masters = [host.name for host in view.leaving if Role.CONTROL_PLANE.value in host.roles]
    if masters and not any(view.api_ready(host) for host in view.joined_control_planes):
        raise Refused(
            f"without {', '.join(masters)} no API server would be ready",
            remedy="kanae status tells why those of the other control-plane hosts are not",
        )
    spec = view.former.spec
    if not view.members and any(host.name in spec.etcd_hosts for host in view.leaving):
        raise Refused(
            f"whether {names} can leave etcd cannot be told: none of its members answers",
            remedy="kanae status tells what is down; put it right, or put the hosts back into the "
            "spec and apply, then remove them",
        )
    alive = {host for host in spec.etcd_hosts if answers(view, host)}
    for name, votes in votes_after(view).items():
        alive.discard(name)
        if not votes:
            raise Refused(
                f"without {name} nobody would be left of etcd: new members join those that there "
                "are",
                remedy=f"put {name} back into the spec, and take it out when others have joined",
            )
        if len(alive) <= votes // 2:
            raise Refused(
                f"without {name} etcd would have {len(alive)} healthy of {votes} members, and no "
                "quorum",
                remedy="bring its other members up first",
            )


def plan(draft: Draft) -> None:
    """Those that are gone leave first: etcd takes no new member while a member is dead. One after
    another where they serve for each other; workers as many at once as the spec lets be away."""
    view = draft.view
    draft.at.left = rebuilt.forget(draft)
    if not view.leaving:
        return
    named = {host.name: host for host in in_order(view)}
    workers = [name for name, host in named.items() if set(host.roles) == {Role.WORKER.value}]
    others = [name for name in named if name not in workers]
    voters = votes_after(view)
    stopping = _may_stop_first(view, voters)

    def leave(name: str, needs: Sequence[str | None]) -> str | None:
        votes = voters.get(name)
        return _leave(draft, named[name], votes, needs, stop_first=name in stopping)

    after: list[str | None] = [
        *draft.reached,
        draft.at.quorum,
        draft.at.registration,
        *draft.at.let_go,
    ]
    at_once = view.spec.policies.workers_at_once(len(view.former.spec.having(Role.WORKER)))
    ends = in_turn(others, leave, after=after)
    ends += in_turn(workers, leave, at_once=at_once, after=ends[-1:] or after)
    draft.at.left += ends
    for host in view.joined_control_planes:
        if host in draft.hosts:
            listed = File(marks.path(marks.HOSTS), roster(view.spec), 0o600)
            draft.hosts[host].converge(STAGE, "forget the hosts that have left", [listed], ends)


def in_order(view: View) -> list[KnownHost]:
    """The hosts that are leaving, the dead ones first."""
    return sorted(view.leaving, key=lambda host: view.still_ours(host.name))


def votes_after(view: View) -> Mapping[str, int]:
    """Leaving hosts with a voter of etcd -> how many voters there are when it has left."""
    spec = view.former.spec
    votes = sum(1 for member in view.members.values() if not member.learner)
    found: dict[str, int] = {}
    for host in in_order(view):
        listed = view.members.get(peer_url(spec, host.name))
        if spec.etcd_role.value in host.roles and listed is not None:
            votes -= not listed.learner
            found[host.name] = votes
    return found


def _may_stop_first(view: View, voters: Mapping[str, int]) -> frozenset[str]:
    """Hosts whose member of an external etcd may stop before it is removed: it then ends in order,
    finishes what it was asked and sends its clients to others. One that is removed while it serves
    fails what is under way. Not where the others, with it counted, would be no quorum.

    voters: as `votes_after` tells.
    """
    spec = view.former.spec
    if spec.etcd_topology is not EtcdTopology.EXTERNAL:
        return frozenset()
    alive = {host for host in spec.etcd_hosts if answers(view, host)}
    found: set[str] = set()
    for name, votes in voters.items():
        alive.discard(name)
        if view.still_ours(name) and len(alive) > (votes + 1) // 2:
            found.add(name)
    return frozenset(found)


def _leave(
    draft: Draft,
    host: KnownHost,
    votes: int | None,
    needs: Sequence[str | None],
    *,
    stop_first: bool,
) -> str | None:
    """votes: voters of etcd when its own has gone; None where it has none. stop_first: whether its
    member stops before it is removed."""
    view, builder, name = draft.view, draft.builder, host.name
    builder.remove(name)
    spec = view.former.spec
    here = view.still_ours(name)
    node = view.api is not None and name in view.api.nodes
    last: Sequence[str | None] = needs

    def on(where: str, what: str, title: str, action: Action, change: Change) -> None:
        nonlocal last
        limit = spec.policies.drain_timeout if isinstance(action, DrainNode) else 300.0
        last = [
            builder.add(
                where, STAGE, f"{what}-{name}", title, action,
                needs=last, changes=[change], timeout=limit,
            )
        ]  # fmt: skip

    if node and name in view.site.off:
        freed = Change(Verb.RUN, "release volumes", name, "it is off: its pods start elsewhere")
        on(draft.via, "volumes", f"release the volumes of {name}", ReleaseVolumes(name), freed)
    elif node:
        moved = Change(Verb.RUN, "drain", name, "its pods move to other nodes" if here else "")
        on(draft.via, "drain", f"drain {name}", DrainNode(name), moved)
    if here and Role.CONTROL_PLANE.value in host.roles:
        ended = Change(Verb.DELETE, "API server", name, "after what it was asked")
        on(name, "api-server", "the API server ends", StopApiServer(), ended)
    if votes is not None:
        peer, via = peer_url(spec, name), _beside(draft)
        gone = Change(Verb.DELETE, "etcd member", name, peer)
        if here:
            led = Change(Verb.RUN, "move leader", name, "if it leads")
            on(via, "leader", f"etcd is led by another than {name}", MoveLeader(peer), led)
        if stop_first:
            stop = Converge((NoUnit(units.ETCD, at.ETCD_UNIT),))
            ended = Change(Verb.DELETE, "unit", units.ETCD, "after what it was asked")
            on(name, "etcd", "its member of etcd ends", stop, ended)
        # Else before anything stops there: of two, none can be removed once one has stopped.
        on(via, "member", f"take {name} out of etcd", RemoveMember(peer, votes // 2 + 1), gone)
    if here and not shared(spec, name):
        last = [stop_node(builder, name, last)]
        if name in spec.etcd_hosts:
            last = [remove_etcd(view.former, builder, name, last)]
    if node:
        on(draft.via, "node", f"delete node {name}", DeleteNode(name),
           Change(Verb.DELETE, "node", name))  # fmt: skip
    if here:
        if Role.CLIENT.value in host.roles:
            last = [*last, forget_cluster(view.former, builder, name)]
        return take_off(view.former, builder, name, last, keep_artifacts=False)
    builder.note(untouched(name))
    return last[-1] if last is not needs else None


def _beside(draft: Draft) -> str:
    """A host with a member that stays, and that can tell how things are: there is one, or nothing
    leaves (see `refuse`)."""
    view = draft.view
    later = coming(view)
    stay = (host for host in view.spec.etcd_hosts if host in draft.hosts and host not in later)
    return next(host for host in stay if answers(view, host))
