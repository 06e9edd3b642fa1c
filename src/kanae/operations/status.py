"""How the cluster is, from the hosts themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from kanae.errors import KanaeError
from kanae.facts.balancer import Backend, balancer_script, parse_balancer
from kanae.facts.model import Facts, Query
from kanae.operations.artifacts import cached
from kanae.operations.project import Project
from kanae.operations.survey import arches, ask
from kanae.render.objects import key_of
from kanae.resources.model import merge
from kanae.spec.models import Role, Spec
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet
from kanae.transport.gather import gather
from kanae.transport.protocol import Transport
from kanae.verify.status import Status, balancer_query, status_query
from kanae.verify.status import status as status_of

# Seconds for a balancer to tell of its backends, and how many are asked at once.
_BALANCER_TIMEOUT = 15
_BALANCERS = 50


async def status(
    project: Project, password: Callable[[], str | None], host_keys: HostKeys | None = None
) -> Status:
    """Hosts that cannot be reached are in it, with their error; needs no API. host_keys: see
    `Fleet`.
    """
    spec = project.spec
    queries = _queries(project)
    async with Fleet(spec, password=password, tolerant=True, host_keys=host_keys) as fleet:
        facts, balancers = await asyncio.gather(
            ask(fleet, {host: queries[host] for host in fleet}), _balancers(spec, fleet)
        )
    differs = await asyncio.to_thread(_differs, project, facts)
    return status_of(spec, facts, balancers, differs, map(key_of, project.site.manifests))


def _queries(project: Project) -> Mapping[str, Query]:
    spec = project.spec
    return {
        host: replace(merge([query, status_query(spec, host)]), address=query.address)
        for host, query in project.queries().items()
    }


async def _balancers(spec: Spec, fleet: Fleet) -> dict[str, tuple[Backend, ...]]:
    wanted = balancer_query(spec)

    async def one(transport: Transport) -> tuple[Backend, ...]:
        done = await transport.run(balancer_script(wanted), timeout=_BALANCER_TIMEOUT)
        return parse_balancer(transport.host, wanted, done.stdout)

    hosts = [host for host in spec.having(Role.LOAD_BALANCER) if host in fleet]
    return (await gather({host: fleet[host] for host in hosts}, one, _BALANCERS)).done


def _differs(project: Project, facts: Facts) -> Mapping[str, tuple[str, ...]] | None:
    """Changes that apply would make, by host; None when one is missing or the plan is refused."""
    if facts.unreachable:
        return None
    try:
        plan = project.plan(facts, cached(project, arches(facts)))
    except KanaeError:
        return None
    found: dict[str, list[str]] = {}
    for step in plan:
        for change in step.changes:
            what = f"{change.verb.value} {change.kind} {change.subject}"
            found.setdefault(step.host or "cluster", []).append(what)
    return {host: tuple(changes) for host, changes in found.items()}
