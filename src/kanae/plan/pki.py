"""Certificates: which authorities a host needs, which leaf certificates are missing or wrong.

The authorities are made once, before the first `kubeadm init`, and put on every host that needs
them, so that every control-plane host is as good as the first (kubeadm uses what it finds; see
"Certificate Management with kubeadm", custom certificates). Leaf certificates of external etcd are
issued by kanae; all others by kubeadm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kanae.errors import Refused
from kanae.facts.model import CertificateFact, HostFacts, Query
from kanae.layout import paths as at
from kanae.plan.actions import (
    GatherAuthorities,
    IssueCertificates,
    LeafCertificate,
    WriteAuthorities,
)
from kanae.plan.builder import Builder
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.saved import Saved
from kanae.plan.view import View
from kanae.render import etcd
from kanae.spec.models import EtcdTopology, Role, Spec

# name -> (public file, private file), as kubeadm names them.
AUTHORITIES = {
    "ca": (f"{at.PKI}/ca.crt", f"{at.PKI}/ca.key"),
    "front-proxy-ca": (f"{at.PKI}/front-proxy-ca.crt", f"{at.PKI}/front-proxy-ca.key"),
    "sa": (at.SERVICE_ACCOUNT_PUBLIC, f"{at.PKI}/sa.key"),
    "etcd-ca": (at.ETCD_CA, f"{at.ETCD_PKI}/ca.key"),
}
# A leaf certificate is issued anew when fewer days are left than a missed month would take.
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Wanted:
    """names: authorities with their keys; public: only the certificate."""

    names: tuple[str, ...]
    public: tuple[str, ...]
    leaves: tuple[LeafCertificate, ...]


def wanted(spec: Spec, host: str) -> Wanted:
    roles = spec.hosts[host].roles
    names: list[str] = []
    public: list[str] = []
    leaves: list[LeafCertificate] = []
    external = spec.etcd_topology is EtcdTopology.EXTERNAL
    if Role.CONTROL_PLANE in roles:
        names += ["ca", "front-proxy-ca", "sa"]
        if not external:
            names.append("etcd-ca")
        else:
            leaves.append(
                LeafCertificate(
                    at.ETCD_API_CLIENT,
                    "etcd-ca",
                    "kube-apiserver-etcd-client",
                    client=True,
                )
            )
    if external and Role.ETCD in roles:
        names.append("etcd-ca")
        leaves += [
            LeafCertificate(
                at.ETCD_SERVER,
                "etcd-ca",
                host,
                sans=tuple(etcd.server_sans(spec, host)),
                server=True,
                client=True,
            ),
            LeafCertificate(
                at.ETCD_PEER,
                "etcd-ca",
                host,
                sans=tuple(etcd.peer_sans(spec, host)),
                server=True,
                client=True,
            ),
            LeafCertificate(
                at.ETCD_PROBE,
                "etcd-ca",
                "kube-etcd-healthcheck-client",
                client=True,
            ),
        ]
    elif external and Role.CONTROL_PLANE in roles:
        public.append("etcd-ca")
    return Wanted(tuple(names), tuple(public), tuple(leaves))


def query(spec: Spec, host: str) -> Query:
    want = wanted(spec, host)
    pairs = [AUTHORITIES[name] for name in (*want.names, *want.public)]
    leaves = [leaf.path for leaf in want.leaves]
    keys = [path.removesuffix(".crt") + ".key" for path in leaves]
    return Query(
        files=tuple(path for pair in pairs for path in pair) + tuple(leaves) + tuple(keys),
        certificates=(*(public for public, _ in pairs if public.endswith(".crt")), *leaves),
    )


def _has(facts: HostFacts, name: str, private: bool = True) -> bool:
    public, key = AUTHORITIES[name]
    return facts.files.get(public) is not None and (not private or facts.files.get(key) is not None)


def _identity(facts: HostFacts, name: str) -> str:
    """What must be equal on all hosts: the public file's content."""
    fact = facts.files.get(AUTHORITIES[name][0])
    return fact.sha256 if fact is not None else ""


def _wrong(facts: HostFacts, leaf: LeafCertificate, authority: CertificateFact | None) -> str:
    """Why this leaf certificate has to be issued, or ""."""
    fact = facts.certificates.get(leaf.path)
    if fact is None or facts.files.get(leaf.path.removesuffix(".crt") + ".key") is None:
        return "missing"
    if authority is None or fact.authority_key_id != authority.subject_key_id:
        return "issued by another authority"
    if fact.not_after - facts.read_at < RENEW_BEFORE:
        return f"ends {fact.not_after:%Y-%m-%d}"
    if not set(leaf.sans) <= fact.sans:
        return f"lacks {', '.join(sorted(set(leaf.sans) - fact.sans))}"
    if fact.key_matches is False:
        return "does not belong to its key"
    return ""


def plan(draft: Draft) -> None:
    """Steps that put authorities and leaf certificates on hosts.

    They wait for the mark: what lay on a host without it would be taken for somebody else's.
    Raises Refused when hosts hold different authorities, or when a living cluster's are lost.
    """
    view, builder, marked = draft.view, draft.builder, draft.at.marked
    hosts = tuple(draft.hosts)
    want = {host: wanted(view.spec, host) for host in hosts}
    sources = {name: _source(view, name) for name in AUTHORITIES}
    lacking = {host: _lacking(view, host, want[host], sources) for host in hosts}
    leaves = {host: _leaves(view, host, want[host], sources) for host in hosts}
    needed = {name for names, public in lacking.values() for name in (*names, *public)}
    needed |= {leaf.authority for found in leaves.values() for leaf, _ in found}
    gathered = _gather(
        builder, {name: sources[name] for name in AUTHORITIES if name in needed}, view.site.backup
    )
    for host in hosts:
        names, public = lacking[host]
        step = None
        if names or public:
            step = builder.add(
                host,
                "certificates",
                "authorities",
                "write certificate authorities",
                WriteAuthorities(names, public),
                needs=[marked[host], *(gathered[name] for name in (*names, *public))],
                changes=[
                    Change(Verb.CREATE, "authority", AUTHORITIES[name][0], "known after apply")
                    for name in (*names, *public)
                ],
            )
        if leaves[host]:
            step = builder.add(
                host,
                "certificates",
                "leaves",
                "issue etcd certificates",
                IssueCertificates(tuple(leaf for leaf, _ in leaves[host])),
                needs=[
                    step or marked[host],
                    *(gathered[leaf.authority] for leaf, _ in leaves[host]),
                ],
                changes=[
                    Change(
                        Verb.CREATE if why == "missing" else Verb.UPDATE,
                        "certificate",
                        leaf.path,
                        "known after apply" if why == "missing" else why,
                    )
                    for leaf, why in leaves[host]
                ],
            )
        draft.at.certificates[host] = step


def _source(view: View, name: str) -> str:
    """The host that has this authority, or "" when there is none and the cluster is new."""
    holders = [host for host, facts in view.facts.hosts.items() if _has(facts, name)]
    if len({_identity(view.host(host), name) for host in holders}) > 1:
        raise Refused(
            f"{', '.join(holders)} hold different files {AUTHORITIES[name][0]}",
            remedy="find out which host belongs to another cluster and reset it",
        )
    wants = any(name in wanted(view.spec, host).names for host in view.spec.hosts)
    if not holders and wants and view.joined_control_planes:
        raise Refused(
            f"the cluster has been built, yet no reachable host holds {AUTHORITIES[name][1]}",
            remedy="bring back a control-plane host that has it, or restore it from a backup",
        )
    return holders[0] if holders else ""


def _lacking(
    view: View, host: str, want: Wanted, sources: dict[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    facts = view.host(host)
    names = tuple(name for name in want.names if not _has(facts, name))
    public = tuple(
        name
        for name in want.public
        if not _has(facts, name, private=False)
        or (sources[name] and _identity(facts, name) != _identity(view.host(sources[name]), name))
    )
    return names, public


def _leaves(
    view: View, host: str, want: Wanted, sources: dict[str, str]
) -> list[tuple[LeafCertificate, str]]:
    found: list[tuple[LeafCertificate, str]] = []
    for leaf in want.leaves:
        source = sources[leaf.authority]
        path = AUTHORITIES[leaf.authority][0]
        authority = view.host(source).certificates.get(path) if source else None
        why = _wrong(view.host(host), leaf, authority)
        if why:
            found.append((leaf, why))
    return found


def _gather(builder: Builder, sources: dict[str, str], backup: Saved | None) -> dict[str, str]:
    """One step for each host that authorities are read from, one for those that are made, or that
    the backup has."""
    gathered: dict[str, str] = {}
    for source in dict.fromkeys(sources.values()):
        names = tuple(name for name, host in sources.items() if host == source)
        step = builder.add(
            None,
            "certificates",
            f"authorities-{source or 'new'}",
            f"read certificate authorities from {source}"
            if source
            else "make certificate authorities"
            if backup is None
            else "take certificate authorities from the backup",
            GatherAuthorities(names, source, "" if source or backup is None else backup.folder),
        )
        gathered |= dict.fromkeys(names, step)
    return gathered
