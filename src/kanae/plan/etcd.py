"""External etcd, the balancers through which API servers reach it, and for members of either
topology what acts when their leader dies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from kanae.facts.model import HostFacts, Query
from kanae.layout import marks, ports, units
from kanae.layout import paths as at
from kanae.plan import binaries
from kanae.plan.actions import MoveLeader
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.view import View
from kanae.plan.waits import await_api, await_etcd, serves_api
from kanae.render import etcd, etcd_failover, haproxy
from kanae.resources.file import Absent, Directory, File
from kanae.resources.model import Resource
from kanae.resources.unit import NoUnit, Unit
from kanae.spec.models import EtcdTopology, Role, Spec

# The folder that ext2 to ext4 have at their root.
LOST_FOUND: Final = "lost+found"
# How folders begin that a restore makes beside a member's, see kanae.plan.attempt.
OF_RESTORES: Final = ("kanae-before-", "kanae-restored-")
# As kubeadm writes a container's command, and as render/etcd.py writes etcd's file.
_ARGUMENT = re.compile(r"^ *- --([a-z0-9-]+)=(.*)$", re.MULTILINE)
_DATA_DIR = re.compile(r"^data-dir: [\"']?(/[^\"'\n]+)", re.MULTILINE)


def query(spec: Spec, host: str) -> Query:
    """What is in the data folder, where etcd keeps its data, and what the member says of itself."""
    topologies: tuple[str, ...] = ()
    if Role.CONTROL_PLANE in spec.hosts[host].roles:
        topologies = (at.ETCD_MANIFEST, at.ETCD_BALANCER_CONFIG)
    if host not in spec.etcd_hosts:
        return Query(files=topologies)
    external = spec.etcd_topology is EtcdTopology.EXTERNAL
    source = at.ETCD_CONFIG if external else at.ETCD_MANIFEST
    return Query(
        files=(*topologies, member_folder(spec), source),
        contents=(source,),
        folders=(str(spec.etcd.data_dir),),
        etcd=True,
    )


def others_in(spec: Spec, facts: HostFacts) -> tuple[str, ...]:
    """What is in the folder for etcd's data of a host that has no member of this cluster yet.

    lost+found, of a disk of its own, is in nobody's way: kubeadm, which wants its folder empty
    (DirAvailable of cmd/kubeadm/app/preflight/checks.go), is told to pass over it. What a host of
    this cluster has there is of an apply that was interrupted.
    """
    ours = facts.marks.get(marks.CLUSTER, "").strip() == spec.name
    if ours and facts.files.get(member_folder(spec)) is not None:
        return ()
    passed = {LOST_FOUND, *(("member",) if ours else ())}
    return tuple(
        name
        for name in facts.folders.get(str(spec.etcd.data_dir), ())
        if name not in passed and not (ours and name.startswith(OF_RESTORES))
    )


def occupied_words(spec: Spec, others: Sequence[str]) -> tuple[str, str]:
    """What is wrong, to be said of a host, and the remedy."""
    shown = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
    return (
        f"has files in {spec.etcd.data_dir} that are no etcd of this cluster ({shown})",
        "empty it if nobody needs that, or set etcd.dataDir to a folder of etcd's own",
    )


def member_folder(spec: Spec) -> str:
    return f"{spec.etcd.data_dir}/member"


def manifest_arguments(view: View, host: str) -> Iterator[tuple[str, str]]:
    """Of the stacked member on a host, as its manifest has them; nothing where there is none."""
    fact = view.host(host).files.get(at.ETCD_MANIFEST)
    text = fact.text if fact is not None else None
    for match in _ARGUMENT.finditer(text or ""):
        yield match[1], match[2]


def data_folder(view: View, host: str) -> str:
    """The one in use: where the member on a host was started with it, else what the spec says."""
    wanted = str(view.spec.etcd.data_dir)
    if kept := (view.mark(host, marks.ETCD_DATA) or "").strip():
        return kept
    if view.spec.etcd_topology is EtcdTopology.STACKED:
        return dict(manifest_arguments(view, host)).get("data-dir", wanted)
    fact = view.host(host).files.get(at.ETCD_CONFIG)
    match = _DATA_DIR.search(fact.text or "") if fact is not None else None
    return match[1] if match else wanted


def peer_url(spec: Spec, host: str) -> str:
    return f"https://{spec.hosts[host].address}:{ports.ETCD_PEER}"


def answers(view: View, host: str) -> bool:
    """Whether the member there tells of etcd, and of nothing that is wrong with itself."""
    facts = view.facts.hosts.get(host)
    return facts is not None and facts.etcd is not None and not facts.etcd.errors


def coming(view: View) -> tuple[str, ...]:
    """Hosts whose member joins an external etcd that is there, in this order: not listed yet, or
    never started, or not a voter yet."""
    spec = view.spec
    if spec.etcd_topology is not EtcdTopology.EXTERNAL or not view.members:
        return ()
    found = {host: view.members.get(peer_url(spec, host)) for host in spec.etcd_hosts}
    return tuple(
        host for host, member in found.items()
        if member is None or not member.name or member.learner
    )  # fmt: skip


def returned(view: View) -> tuple[str, ...]:
    """Hosts that have left and came back with what they had: their etcd knows itself as a member
    that was removed, and would never start as another one."""
    spec = view.spec
    external = spec.etcd_topology is EtcdTopology.EXTERNAL
    return tuple(
        host
        for host in spec.etcd_hosts
        if view.members
        and host in view.reachable
        and (external or view.joined(host))
        and peer_url(spec, host) not in view.members
        and view.host(host).files.get(member_folder(spec)) is not None
    )


def resources(view: View, host: str) -> tuple[Resource, ...]:
    if view.spec.etcd_topology is not EtcdTopology.EXTERNAL:
        return ()
    roles = view.spec.hosts[host].roles
    return (
        *(member_resources(view, host) if Role.ETCD in roles else ()),
        *(failover(view.spec) if Role.ETCD in roles else ()),
        *(_balancer(view, host) if Role.CONTROL_PLANE in roles else ()),
    )


def member_resources(view: View, host: str) -> tuple[Resource, ...]:
    spec = view.spec
    config = File(at.ETCD_CONFIG, etcd.config(spec, host), 0o600)
    unit = File(at.ETCD_UNIT, etcd.unit(spec, view.base(host)))
    # A member that has data knows the others by that.
    bootstrap = File(at.ETCD_BOOTSTRAP, _bootstrap(view, host), 0o600, until=member_folder(spec))
    return (
        bootstrap,
        Directory(str(spec.etcd.data_dir), 0o700),
        config,
        unit,
        Unit(units.ETCD, restart_on=(config.key, unit.key, f"binary:{at.BIN}/etcd")),
    )


def _bootstrap(view: View, host: str) -> str:
    """Of a member that joins: it must name all members that there are at that moment, by their
    peer URLs (ValidateClusterAndAssignIDs of server/etcdserver/api/membership/cluster.go)."""
    spec = view.spec
    later = coming(view)
    if host not in later:
        members = {name: str(spec.hosts[name].address) for name in spec.etcd_hosts}
        return etcd.bootstrap(spec, members, "new")
    before = later[: later.index(host) + 1]
    there = [name for name in spec.etcd_hosts if name not in later or name in before]
    members = {name: str(spec.hosts[name].address) for name in there}
    return etcd.bootstrap(spec, members, "existing")


def _balancer(view: View, host: str) -> tuple[Resource, ...]:
    config = File(at.ETCD_BALANCER_CONFIG, haproxy.etcd_balancer(view.spec, host))
    unit = File(at.ETCD_BALANCER_UNIT, haproxy.etcd_balancer_unit(view.base(host)))
    return (
        config,
        unit,
        Unit(units.ETCD_BALANCER, restart_on=(unit.key,), reload_on=(config.key,)),
    )


def failover(spec: Spec) -> tuple[Resource, ...]:
    """Of a host with a member, of either topology. A lone member waits for no other."""
    if len(spec.etcd_hosts) == 1:
        return (
            NoUnit(units.ETCD_FAILOVER, at.ETCD_FAILOVER_UNIT),
            Absent(at.ETCD_FAILOVER_SCRIPT),
        )
    script = File(at.ETCD_FAILOVER_SCRIPT, etcd_failover.script(spec), 0o755)
    unit = File(at.ETCD_FAILOVER_UNIT, etcd_failover.unit())
    return (script, unit, Unit(units.ETCD_FAILOVER, restart_on=(script.key, unit.key)))


def plan(draft: Draft) -> None:
    """Members of a new cluster start together. Those that serve change one at a time after them,
    who leads the last: the next is touched when etcd has all its members and the API server of the
    host has its etcd again.
    """
    view = draft.view
    later = coming(view)
    members = [host for host in view.spec.etcd_hosts if host in draft.hosts and host not in later]

    def change(host: str, needs: Sequence[str | None]) -> str | None:
        build, wanted = draft.hosts[host], resources(view, host)
        # Nobody can tell whether a cluster whose API does not answer is fit for another version.
        program = [] if view.unanswered else binaries.etcd(view, host)
        if host in later:
            wanted = wanted[len(member_resources(view, host)) :]
        needs = [draft.at.certificates.get(host), *draft.at.delivered, *needs]
        if _leads(view, host) and build.differs((*program, *member_resources(view, host))):
            needs = _led_by_another(draft, host, members, needs)
        replaced = build.deliver("etcd-program", "replace etcd", program, needs)
        return build.converge("etcd", "etcd", wanted, [*needs, replaced]) or replaced

    def gate(host: str, step: str) -> str:
        if _member(view, host):
            step = await_etcd(draft, host, "etcd", "member-healthy", step, without=later)
            draft.hosts[host].last = (step,)
        if serves_api(draft, host):
            step = await_api(draft, host, "etcd", "api-ready", step)
        return step

    def started(steps: Sequence[str]) -> str:
        return await_etcd(draft, members[0], "etcd", "started", *steps, without=later)

    touched = draft.rolling.roll(
        sorted(draft.hosts, key=lambda host: _leads(view, host)),
        change,
        gate,
        serves=lambda host: _member(view, host) or view.api_ready(host),
        started=started if any(_member(view, host) for host in members) else None,
    )
    if touched and members and view.spec.etcd_topology is EtcdTopology.EXTERNAL:
        draft.at.quorum = await_etcd(draft, members[0], "etcd", "quorum", *touched, without=later)


def _led_by_another(
    draft: Draft, host: str, members: Sequence[str], needs: Sequence[str | None]
) -> Sequence[str | None]:
    """Who leads hands over before it is stopped, to one that has been changed already."""
    others = [each for each in members if each != host and _member(draft.view, each)]
    if not others:
        return needs
    moved = draft.builder.add(
        others[0],
        "etcd",
        "move-leader",
        f"etcd is led by another than {host}",
        MoveLeader(peer_url(draft.view.spec, host)),
        needs=needs,
        changes=[Change(Verb.RUN, "move leader", host, "if it leads")],
    )
    return [moved]


def _leads(view: View, host: str) -> bool:
    """Whether the member of external etcd there leads."""
    if not _member(view, host):
        return False
    fact = view.host(host).etcd
    return fact is not None and fact.member_id == fact.leader_id


def _member(view: View, host: str) -> bool:
    """Whether a member of external etcd runs there."""
    return Role.ETCD in view.spec.hosts[host].roles and view.active(host, units.ETCD)
