"""Certificate authorities: which a host needs, and where they come from.

They are made once, before the first `kubeadm init`, and put on every host that needs them, so that
every control-plane host is as good as the first (kubeadm uses what it finds; see "Certificate
Management with kubeadm", custom certificates). See `certificates` for which there are, `renewal`
for what they issue.
"""

from __future__ import annotations

from collections.abc import Iterable

from kanae.errors import Refused
from kanae.facts.model import HostFacts
from kanae.plan.actions import GatherAuthorities, WriteAuthorities
from kanae.plan.certificates import AUTHORITIES, authorities
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.renewal import issuers
from kanae.plan.view import View


def _has(facts: HostFacts, name: str, private: bool = True) -> bool:
    public, key = AUTHORITIES[name]
    return facts.files.get(public) is not None and (not private or facts.files.get(key) is not None)


def _identity(facts: HostFacts, name: str) -> str:
    """What must be equal on all hosts: the public file's content."""
    fact = facts.files.get(AUTHORITIES[name][0])
    return fact.sha256 if fact is not None else ""


def plan(draft: Draft) -> None:
    """Steps that put authorities on hosts.

    They wait for the mark: what lay on a host without it would be taken for somebody else's.
    Raises Refused when hosts hold different authorities, or when a living cluster's are lost.
    """
    view, marked = draft.view, draft.at.marked
    sources = {name: _source(view, name) for name in AUTHORITIES}
    lacking = {host: _lacking(view, host, sources) for host in draft.hosts}
    needed = {name for names, public in lacking.values() for name in (*names, *public)}
    gather(draft, needed | issuers(view))
    for host, (names, public) in lacking.items():
        if not names and not public:
            draft.at.certificates[host] = None
            continue
        draft.at.certificates[host] = draft.builder.add(
            host,
            "certificates",
            "authorities",
            "write certificate authorities",
            WriteAuthorities(names, public),
            needs=[marked[host], *(draft.at.gathered[name] for name in (*names, *public))],
            changes=[
                Change(Verb.CREATE, "authority", AUTHORITIES[name][0], "known after apply")
                for name in (*names, *public)
            ],
        )


def gather(draft: Draft, names: Iterable[str]) -> None:
    """One step for each host that authorities are read from, one for those that are made, or that
    the backup has. Raises Refused as `plan` does."""
    backup = draft.view.site.backup
    wanted = set(names)
    sources = {name: _source(draft.view, name) for name in AUTHORITIES if name in wanted}
    for source in dict.fromkeys(sources.values()):
        found = tuple(name for name, host in sources.items() if host == source)
        step = draft.builder.add(
            None,
            "certificates",
            f"authorities-{source or 'new'}",
            f"read certificate authorities from {source}"
            if source
            else "make certificate authorities"
            if backup is None
            else "take certificate authorities from the backup",
            GatherAuthorities(found, source, "" if source or backup is None else backup.folder),
        )
        draft.at.gathered |= dict.fromkeys(found, step)


def _source(view: View, name: str) -> str:
    """The host that has this authority, or "" when there is none and the cluster is new."""
    holders = [host for host, facts in view.facts.hosts.items() if _has(facts, name)]
    if len({_identity(view.host(host), name) for host in holders}) > 1:
        raise Refused(
            f"{', '.join(holders)} hold different files {AUTHORITIES[name][0]}",
            remedy="find out which host belongs to another cluster and reset it",
        )
    wants = any(authorities(view.spec, host).get(name) for host in view.spec.hosts)
    if not holders and wants and view.joined_control_planes:
        raise Refused(
            f"the cluster has been built, yet no reachable host holds {AUTHORITIES[name][1]}",
            remedy="bring back a control-plane host that has it, or restore it from a backup",
        )
    return holders[0] if holders else ""


def _lacking(
    view: View, host: str, sources: dict[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that are to be written with their keys, and those without."""
    facts, wanted = view.host(host), authorities(view.spec, host)
    names = tuple(name for name, private in wanted.items() if private and not _has(facts, name))
    public = tuple(
        name
        for name, private in wanted.items()
        if not private
        and (
            not _has(facts, name, private=False)
            or (
                sources[name]
                and _identity(facts, name) != _identity(view.host(sources[name]), name)
            )
        )
    )
    return names, public
