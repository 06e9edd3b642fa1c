"""From connected hosts to findings, and the gate that a plan must pass before it is carried out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from kanae.errors import CheckFailed
from kanae.facts.gather import gather
from kanae.facts.model import Facts
from kanae.facts.probe import ProbeFacts, ProbeQuery, parse_probe, probe_script
from kanae.layout import marks
from kanae.plan.membership import named_after
from kanae.spec.models import Spec
from kanae.transport.fleet import Fleet
from kanae.transport.gather import gather as each
from kanae.transport.protocol import Transport
from kanae.verify.checks import OF_UPGRADES
from kanae.verify.model import Finding, Subject
from kanae.verify.query import check_query, probe_query, taking, vacant
from kanae.verify.run import alike, as_line, errors, judge
from kanae.verify.trying import tried
from kanae.verify.upgrading import upgrading

PROBE_TIMEOUT = 60.0


async def inspect(spec: Spec, fleet: Fleet, *, upgrade: bool = False) -> Subject:
    """Ask every connected host of the spec what checks need to know, and probe those that have not
    joined; living balancers only for an address that they are to take. fleet: hosts that are
    leaving may be connected, too. upgrade: ask also what may stand in the way of one.
    """
    parallel = spec.policies.parallel_hosts
    transports = {host: fleet[host] for host in fleet if host in spec.hosts}
    queries = {host: check_query(spec, host) for host in transports}
    if upgrade:
        etcd = set(spec.etcd_hosts)
        queries = {host: replace(each, etcd=host in etcd) for host, each in queries.items()}
    facts = await gather(transports, queries, parallel=parallel)
    facts = replace(facts, unreachable={**facts.unreachable, **fleet.unreachable})
    coming = newcomers(spec, facts)
    only = ProbeQuery({}, vacant=vacant(spec, facts))
    probing = dict.fromkeys(taking(spec, facts), only)
    probing |= {host: probe_query(spec, host, facts) for host in coming}
    probes = await probe(spec, fleet, probing)
    bare = [host for host, each in facts.hosts.items() if not named_after(spec, each)]
    return Subject(
        spec,
        facts,
        probes,
        tried=await tried(spec, fleet, facts, bare),
        upgrading=await upgrading(spec, fleet, facts) if upgrade else None,
    )


def newcomers(spec: Spec, facts: Facts) -> tuple[str, ...]:
    """Hosts that do not belong to the running cluster yet: nodes that have not joined, and other
    hosts that kanae has never touched."""
    nodes = set(spec.nodes)

    def known(host: str) -> bool:
        held = facts.hosts[host].marks
        return (
            marks.JOINED in held
            if host in nodes
            else bool({marks.CLUSTER, marks.MEMBER + spec.name} & set(held))
        )

    return tuple(host for host in spec.hosts if host in facts.hosts and not known(host))


async def probe(
    spec: Spec, fleet: Fleet, queries: Mapping[str, ProbeQuery]
) -> dict[str, ProbeFacts]:
    """Active probes of these hosts, all at once; one that fails is left out."""

    async def one(transport: Transport) -> ProbeFacts:
        query = queries[transport.host]
        done = await transport.run(probe_script(query), timeout=PROBE_TIMEOUT)
        return parse_probe(transport.host, query, done.stdout)

    transports = {host: fleet[host] for host in queries}
    return (await each(transports, one, spec.policies.parallel_hosts)).done


async def require(
    spec: Spec, facts: Facts, fleet: Fleet, ignored: Collection[str], *, upgrade: bool = False
) -> None:
    """Raises CheckFailed with every error of every host that is not part of the cluster yet, or of
    the cluster as a whole; where somebody else has an address or a port that balancers are to take;
    and of what stands in the way of an upgrade, where one is to be done. facts: those that were
    planned with; without any of these nothing is asked.

    What a joined host lacks does not stop its repair; `kanae check` tells it.
    """
    coming, balancers = newcomers(spec, facts), taking(spec, facts)
    if not coming and not balancers and not upgrade:
        return
    subject = await inspect(spec, fleet, upgrade=upgrade)
    found = errors(judge(subject, ignored))
    stopping = [
        finding
        for finding in found
        if finding.host in coming
        or (finding.host is None and coming)
        or (finding.check == "virtual-address" and balancers)
        or (finding.check == "ports" and finding.host in balancers)
        or (finding.check in OF_UPGRADES and upgrade)
    ]
    if stopping:
        raise CheckFailed(summary(stopping), remedy="put them right, or --ignore a check by name")


def summary(findings: Iterable[Finding]) -> str:
    lines = [as_line(finding) for finding in alike(findings)]
    what = "1 check fails" if len(lines) == 1 else f"{len(lines)} checks fail"
    return "\n  ".join((f"{what} and nothing was changed:", *lines))
