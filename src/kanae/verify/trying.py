"""Trying what hosts need of each other, before anything of the cluster is on the new ones."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from kanae.facts.model import Facts
from kanae.facts.ports import (
    Opened,
    Outcome,
    Port,
    close_script,
    open_script,
    parse_opened,
    parse_tried,
    try_script,
)
from kanae.spec.models import Spec
from kanae.transport.fleet import Fleet
from kanae.transport.gather import gather
from kanae.transport.protocol import Transport
from kanae.verify.traffic import Path, Tried, needed

_TIMEOUT = 30.0


async def tried(spec: Spec, fleet: Fleet, facts: Facts, bare: Iterable[str]) -> Tried:
    """Every path from or to a bare host, one that kanae has not touched yet: there ports are opened
    for the time. Others are only reached where they listen. A host that fails is left out."""
    new = set(bare)
    paths = [
        path
        for path in needed(spec)
        if {path.source, path.target} & new and {path.source, path.target} <= set(facts.hosts)
    ]
    wanted: dict[str, set[Port]] = {}
    for path in paths:
        if path.target in new:
            wanted.setdefault(path.target, set()).add(path.port)

    async def opening(transport: Transport) -> Opened:
        script = open_script(sorted(wanted[transport.host]))
        done = await transport.run(script, timeout=_TIMEOUT)
        return parse_opened(transport.host, done.stdout)

    hosts = spec.policies.parallel_hosts
    opened = (await gather({host: fleet[host] for host in wanted}, opening, hosts)).done
    try:
        listening = {host: _listening(facts, host) for host in facts.hosts}
        ours = {host: each.ports or frozenset() for host, each in opened.items()}
        open_now = [
            path
            for path in paths
            if path.port in listening[path.target] | ours.get(path.target, frozenset())
        ]
        return await _try(spec, fleet, open_now, opened)
    finally:
        await gather(
            {host: fleet[host] for host, each in opened.items() if each.process},
            lambda transport: transport.run(
                close_script(opened[transport.host].process), timeout=_TIMEOUT
            ),
            hosts,
        )


async def _try(spec: Spec, fleet: Fleet, paths: Iterable[Path], opened: dict[str, Opened]) -> Tried:
    by_source: dict[str, dict[tuple[IPv4Address, Port], Path]] = {}
    for path in paths:
        way = (spec.hosts[path.target].address, path.port)
        by_source.setdefault(path.source, {})[way] = path

    async def one(transport: Transport) -> list[tuple[Path, Outcome]]:
        ways = by_source[transport.host]
        done = await transport.run(try_script(ways), timeout=_TIMEOUT)
        found = parse_tried(transport.host, done.stdout) or {}
        return [
            (path, found[str(address), port])
            for (address, port), path in ways.items()
            if (str(address), port) in found
        ]

    sources = {host: fleet[host] for host in by_source}
    done = (await gather(sources, one, spec.policies.parallel_hosts)).done
    unable = [host for host, each in opened.items() if each.ports is None]
    unable += [host for host, found in done.items() if len(found) < len(by_source[host])]
    return Tried(
        tuple(
            (path, outcome)
            for found in done.values()
            for path, outcome in found
            # Who holds the port may hold it for others; what kanae has opened answers everybody.
            if outcome is not Outcome.REFUSED or _opened(opened, path)
        ),
        tuple(dict.fromkeys(unable)),
    )


def _opened(opened: dict[str, Opened], path: Path) -> bool:
    there = opened.get(path.target)
    return there is not None and path.port in (there.ports or ())


def _listening(facts: Facts, host: str) -> frozenset[Port]:
    """TCP only: what listens elsewhere does not know the question."""
    return frozenset(
        Port(listener.port, "tcp")
        for listener in facts.hosts[host].base.listeners
        if listener.protocol == "tcp"
    )
