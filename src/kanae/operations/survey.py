"""Facts of all hosts of a cluster, those that cannot be reached named with their error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kanae.facts.gather import gather
from kanae.facts.model import Facts, Query
from kanae.operations.project import Project
from kanae.plan.membership import recognized
from kanae.transport.fleet import Fleet

# Facts may have to hash binaries that are on the hosts for the first time.
TIMEOUT = 120.0


async def survey(project: Project, fleet: Fleet) -> Facts:
    """What planning needs to know of every host that is connected, and of those that are leaving
    the cluster, as it remembers them: they are connected where they answer, and left out where
    something else answers in their place."""
    queries = project.queries()
    facts = await ask(fleet, {host: queries[host] for host in fleet if host in queries})
    known = project.known(facts)
    former = project.former(known)
    gone = [host for host in former.spec.hosts if host not in project.spec.hosts]
    if not gone:
        return facts
    await fleet.admit(former.spec, gone)
    queries = former.queries()
    more = await ask(fleet, {host: queries[host] for host in gone if host in fleet})
    more = recognized(former.spec, more, known.identity)
    return Facts({**facts.hosts, **more.hosts}, {**facts.unreachable, **more.unreachable})


async def ask(fleet: Fleet, queries: Mapping[str, Query]) -> Facts:
    """Any queries, by host: one round trip each."""
    facts = await gather(
        {host: fleet[host] for host in queries},
        queries,
        parallel=fleet.spec.policies.parallel_hosts,
        timeout=TIMEOUT,
    )
    return replace(facts, unreachable={**facts.unreachable, **fleet.unreachable})


def arches(facts: Facts) -> frozenset[str]:
    """The hosts' CPUs, as in {"amd64"}."""
    return frozenset(host.base.arch for host in facts.hosts.values())
