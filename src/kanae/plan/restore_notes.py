"""What is to be known before a restore is agreed to: what is lost or kept, who is left out."""

from __future__ import annotations

from collections.abc import Iterator

from kanae.plan.attempt import Attempt, aside, undecided
from kanae.plan.etcd import data_folder, member_folder
from kanae.plan.saved import Saved
from kanae.plan.stand import Stand, awaited
from kanae.plan.view import View


def notes(view: View, who: Stand, saved: Saved, attempt: Attempt) -> Iterator[str]:
    """In the order in which they are to be read."""
    seen = [facts.etcd.revision for facts in view.facts.hosts.values() if facts.etcd is not None]
    yield f"goes back to {saved.taken}: what was written since is lost"
    if seen and not undecided(view):
        changes = max(0, max(seen) - saved.revision)
        yield f"{changes} changes were made since, by etcd's revision"
    yield (
        f"what etcd has now is kept as {_kept(view, who, attempt)} on its hosts until it is "
        "discarded (kanae restore --discard)"
    )
    held = [host for host in who.members if view.host(host).files.get(member_folder(view.spec))]
    if held and not seen and not undecided(view):
        yield (
            f"{', '.join(held)} still has data of etcd's, which may be newer: kanae restore "
            f"--from-member {held[0]} keeps what it has"
        )
    if since := [host for host in who.nodes if host not in awaited(who, saved)]:
        yield (
            f"{', '.join(since)} has joined since and is no node any more: kanae apply afterwards "
            "lets it in again"
        )
    later = [host for host in view.spec.etcd_hosts if host not in who.members]
    if later := [*later, *(h for h in view.control_planes if h not in (*who.masters, *later))]:
        yield (
            f"{', '.join(later)} takes no part and is to join again: kanae apply or kanae replace "
            "afterwards"
        )
    if silent := _silent(view, later):
        yield (
            f"{', '.join(silent)} cannot be reached: kubelet, kube-proxy and the pod network's "
            "agent there go on with what they remember. Boot it when it is back, unless it has "
            "booted since; pods that the backup does not know end then"
        )


def _silent(view: View, left_out: list[str]) -> list[str]:
    """Nodes that serve nobody else: of others, refusals and the note before have told."""
    return [
        host for host in view.spec.nodes if host not in view.facts.hosts and host not in left_out
    ]


def _kept(view: View, who: Stand, attempt: Attempt) -> str:
    folders = dict.fromkeys(data_folder(view, host) for host in who.members)
    return " and ".join(aside(folder, attempt.id) for folder in folders)
