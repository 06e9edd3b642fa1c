"""Replacing a host: what is left of it leaves the cluster, then its successor joins.

Both are what an apply does, of the spec without the host and of the spec, so that a run that was
cut off is gone on with by running it again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address

from kanae.artifacts import atomic
from kanae.drills.cluster.power import power_of
from kanae.errors import ConnectError, Refused, UsageError
from kanae.execute.events import Outcome
from kanae.execute.journal import read_run, runs
from kanae.facts.gather import gather
from kanae.facts.model import Query
from kanae.operations.apply import Apply
from kanae.operations.change import Changed, Ending, change
from kanae.operations.console import Console
from kanae.operations.project import Project
from kanae.plan.membership import named_after, shared
from kanae.spec.edit import with_host
from kanae.spec.load import STANDARD_INPUT, SpecText, read
from kanae.spec.models import Role
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet


async def replace(
    project: Project,
    hosts: Sequence[str],
    ignored: tuple[str, ...],
    leaving: Console,
    joining: Console,
    *,
    off: Sequence[str] = (),
    moved: bool = False,
    break_lease: bool = False,
    host_keys: HostKeys | None = None,
) -> Changed:
    """hosts: they leave together, then their successors join. host_keys: which the new machines may
    show. off: old ones that have no power. moved: the host, which is one, has or had another
    address than its successor.

    A host need not answer while it leaves; one that does is stopped and wiped. Its successor must
    answer: under the same name afterwards, or at once where the spec names it in the host's place.
    Raises Refused for hosts without which there is no cluster.
    """
    apply = Apply(ignored, tuple(off), replacing=True)
    if hosts[0] not in project.spec.hosts:
        return await change(project, apply, leaving, break_lease=break_lease, host_keys=host_keys)
    require_others(project, hosts)
    purpose = f"the joining of the successor of {' and of '.join(hosts)}"
    away = hosts if moved else await _have_to_leave(project, hosts, leaving.password)
    if away and _cut_off(project, purpose):
        begun = await prepared(project, away, leaving.password)
        away = [host for host in away if host not in begun]
    if away:
        gone = await change(project.without(*away), apply, leaving, break_lease=break_lease)
        if gone.ending is Ending.DECLINED:
            return gone
    apply = Apply(ignored, replacing=True, purpose=purpose)
    return await change(project, apply, joining, break_lease=break_lease, host_keys=host_keys)


def _cut_off(project: Project, purpose: str) -> bool:
    """Whether the last run of the cluster from here was for this and was cut off, or failed: what
    answers then may be the successor, which is not to leave."""
    records = filter(None, map(read_run, reversed(runs(project.spec.name))))
    last = next(records, None)
    if last is None or last.started.purpose != purpose:
        return False
    return last.ended is None or not set(last.ended.counts) <= {Outcome.OK, Outcome.CHANGED}


async def prepared(
    project: Project, hosts: Sequence[str], password: Callable[[], str | None]
) -> frozenset[str]:
    """Those that answer as this cluster's. A successor may have been lost in its turn: what stands
    there then is blank, shows another key, or does not answer."""
    async with Fleet(project.spec, hosts, password=password, tolerant=True) as fleet:
        facts = await gather({host: fleet[host] for host in fleet}, dict.fromkeys(fleet, Query()))
    ours = (host for host, here in facts.hosts.items() if named_after(project.spec, here))
    return frozenset(ours)


async def _have_to_leave(
    project: Project, hosts: Sequence[str], password: Callable[[], str | None]
) -> Sequence[str]:
    """Dead balancers and clients hold nothing of the cluster that would have to leave it; but where
    others do, nothing may wait for one of them that is dead. Living ones are left by their clients
    and wiped, as any other host. Who has the endpoint's address cannot leave."""
    spec = project.spec
    able = [
        host
        for host in hosts
        if not shared(spec, host) or str(spec.hosts[host].address) != spec.endpoint_host
    ]
    if not all(shared(spec, host) for host in hosts):
        return able
    living = await prepared(project, able, password) if able else ()
    return [host for host in able if host in living]


def require_others(project: Project, hosts: Sequence[str]) -> None:
    """Raises Refused for hosts without which there is no cluster."""
    masters = project.spec.having(Role.CONTROL_PLANE)
    if not set(masters) <= set(hosts):
        return
    which = "is the only control-plane host" if len(masters) == 1 else "are all control-plane hosts"
    raise Refused(
        f"{', '.join(masters)} {which}: without a control-plane host there is no cluster to join",
        remedy="make another host a control-plane host first",
    )


async def cut_power(project: Project, host: str, password: Callable[[], str | None]) -> bool:
    """By the spec's command, or the lab's. Raises HostError where there is none.

    Whether it was cut: what answers in any way keeps its power. It is the host itself, which is
    then stopped in order, or its successor, when an earlier run has come so far.
    """
    async with Fleet(project.spec, [host], password=password, tolerant=True) as fleet:
        silent = type(fleet.unreachable.get(host)) is ConnectError
    if silent:
        await power_of(project.spec).cut(host)
    return silent


def put_already(project: Project, host: str, name: str, address: IPv4Address | None) -> bool:
    """Whether an earlier run has written this successor of the host into the spec."""
    there = project.spec.hosts.get(name)
    return host not in project.spec.hosts and there is not None and there.address == address


def edited(project: Project, host: str, name: str, address: IPv4Address) -> SpecText:
    """The spec's text with another machine in the place of a host; nothing is written yet."""
    if project.file == STANDARD_INPUT:
        raise UsageError("a spec on standard input cannot be edited", remedy="give its file")
    if name != host and name in project.spec.hosts:
        raise UsageError(f"{project.text.name} has a host {name} already")
    if name != host and address == project.spec.hosts[host].address:
        raise Refused(
            f"{name} would have the address of {host}, and etcd tells its members apart by it",
            remedy=f"kanae replace {host} {project.file}, which keeps name and address",
        )
    there = project.spec.hosts[host].address
    # With several balancers behind a name, clients have the others.
    several = project.spec.endpoint.name and len(project.spec.having(Role.LOAD_BALANCER)) > 1
    if address != there and there == project.spec.endpoint_address and not several:
        raise Refused(
            f"{host} has the address of the endpoint ({there}): without it nobody reaches the API",
            remedy=f"kanae replace {host} {project.file}, which keeps name and address",
        )
    return with_host(project.text, host, name, address)


def write(project: Project, text: SpecText) -> Project:
    """The spec's file with this text, whole or not at all, opened. A link stays one. Raises Refused
    where somebody has edited it since it was read."""
    file = project.file.resolve()
    if read(project.file).text != project.text.text:
        raise Refused(
            f"{project.file} has been edited since it was read, and nothing was written",
            remedy="run it again",
        )
    before = file.stat()
    with atomic.written(file) as stream:
        os.fchmod(stream.fileno(), before.st_mode & 0o777)
        if os.geteuid() == 0:
            os.fchown(stream.fileno(), before.st_uid, before.st_gid)
        stream.write(text.text.encode())
    return Project.open(project.file)
