"""Which hosts a drill takes away, and whether the cluster can bear it. Pure, over facts."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.drills.scenarios.scenario import SINGLE_POINT, Scenario, Target
from kanae.errors import Refused
from kanae.facts.model import EtcdFact, Facts
from kanae.facts.nodes import readiness
from kanae.spec.models import Role, Spec


def leader(facts: Facts) -> str | None:
    """The host of etcd's leader, as far as it is known."""
    for host, each in facts.hosts.items():
        if each.etcd is not None and each.etcd.leader_id == each.etcd.member_id:
            return host
    return None


def problems(spec: Spec, facts: Facts) -> tuple[str, ...]:
    """What is not whole: unreachable hosts, API servers, etcd members, nodes. Empty when well."""
    found = [f"{host} cannot be reached: {why.what}" for host, why in facts.unreachable.items()]
    api = facts.api
    for host in spec.having(Role.CONTROL_PLANE):
        each = facts.hosts.get(host)
        if each is not None and (each.api is None or not each.api.ready):
            found.append(f"the API server on {host} is not ready")
    for host in spec.etcd_hosts:
        each = facts.hosts.get(host)
        if each is not None:
            found += _member_problems(host, each.etcd, len(spec.etcd_hosts))
    for host in spec.nodes:
        node = None if api is None else api.nodes.get(host)
        if node is None:
            found.append(f"{host} is no node of the cluster")
        elif not readiness(node).ready:
            found.append(f"node {host} is not ready")
    return tuple(found)


def _member_problems(host: str, etcd: EtcdFact | None, wanted: int) -> list[str]:
    if etcd is None:
        return [f"the etcd member on {host} does not answer"]
    found = [f"etcd on {host}: {error}" for error in etcd.errors]
    found += [f"etcd member {m.id} never started" for m in etcd.members if not m.name]
    found += [f"etcd member {m.name} is a learner" for m in etcd.members if m.learner and m.name]
    if len(etcd.members) != wanted:
        found.append(f"etcd on {host} knows {len(etcd.members)} members, the spec {wanted}")
    if etcd.leader_id in ("", "0"):
        found.append(f"etcd on {host} has no leader")
    return found


def choose(
    scenario: Scenario, spec: Spec, facts: Facts, named: str | None = None, turn: int = 0
) -> tuple[str, ...]:
    """The hosts of the fault. named: by the operator. turn: which of several, for repeated runs.

    Raises Refused when the cluster has no such host.
    """
    fitting = _fitting(scenario.target, spec, facts)
    if scenario.target is Target.NONE:
        return ()
    if named is not None:
        if scenario.target.several or named not in _allowed(scenario.target, spec):
            raise Refused(
                f"{named} cannot be the target of {scenario.name}, which wants {scenario.target}",
                remedy="leave --target out, or name a host of that role",
            )
        return (named,)
    if not fitting:
        raise Refused(
            f"{scenario.name} wants {scenario.target}; {spec.name} has none",
            remedy="drill a cluster of another topology (`kanae drill list`)",
        )
    if scenario.target is Target.MOST_ETCD:
        return _majority(scenario, fitting, turn)
    if scenario.target.several:
        return fitting
    # From the end: the last host first, as in the reference procedure.
    return (fitting[-1 - turn % len(fitting)],)


def _majority(scenario: Scenario, members: Sequence[str], turn: int) -> tuple[str, ...]:
    """So many that those left have no quorum; another one is left at each turn."""
    kept = len(members) - (len(members) // 2 + 1)
    if not kept:
        raise Refused(
            f"{scenario.name} wants a member of etcd that is left; there are {len(members)}",
            remedy="drill a cluster with three members or more",
        )
    turned = [members[(turn + number) % len(members)] for number in range(len(members))]
    return tuple(turned[kept:])


def _allowed(target: Target, spec: Spec) -> tuple[str, ...]:
    """Hosts that an operator may name: by role, whatever they do just now."""
    match target:
        case Target.NONE:
            return ()
        case Target.CONTROL_PLANE | Target.EVERY_CONTROL_PLANE:
            return spec.having(Role.CONTROL_PLANE)
        case Target.ETCD | Target.ETCD_LEADER | Target.EVERY_ETCD | Target.MOST_ETCD:
            return spec.etcd_hosts
        case Target.ETCD_ONLY:
            masters = spec.having(Role.CONTROL_PLANE)
            return tuple(host for host in spec.etcd_hosts if host not in masters)
        case Target.BALANCER:
            return spec.having(Role.LOAD_BALANCER)
        case Target.WORKER:
            return spec.having(Role.WORKER)
        case Target.ALL:
            return tuple(spec.hosts)


def _fitting(target: Target, spec: Spec, facts: Facts) -> tuple[str, ...]:
    allowed = _allowed(target, spec)
    if target is Target.ETCD_LEADER:
        host = leader(facts)
        return (host,) if host in allowed else ()
    if target is Target.ETCD:
        # The leader has a drill of its own.
        return tuple(host for host in allowed if host != leader(facts)) or allowed
    if target is Target.BALANCER:
        return tuple(host for host in allowed if _holds(spec, facts, host))
    return allowed


def _holds(spec: Spec, facts: Facts, host: str) -> bool:
    """Whether a balancer host has the endpoint's address now."""
    each = facts.hosts.get(host)
    address = str(spec.endpoint_address)
    if each is None:
        return False
    return any(
        cidr.split("/")[0] == address
        for interface in each.base.interfaces
        for cidr in interface.addresses
    )


def refusals(
    scenario: Scenario, spec: Spec, hosts: Sequence[str], before: Sequence[str]
) -> tuple[str, ...]:
    """Why this drill would take the API away or strain a cluster that is short already.

    before: `problems`. Empty when it is safe.
    """
    found = [f"not whole before the drill: {problem}" for problem in before]
    if scenario.outage:
        found.append("it takes the whole cluster down on purpose")
    if scenario.kind == "none" or scenario.outage:
        return tuple(found)
    lost = set(hosts)
    members = spec.etcd_hosts
    left = len(set(members) - lost)
    touches_etcd = scenario.kind != "kill" or scenario.process == "etcd"
    if touches_etcd and lost & set(members) and left < len(members) // 2 + 1:
        found.append(f"etcd would have {left} of {len(members)} members and no quorum")
    masters = set(spec.having(Role.CONTROL_PLANE))
    if scenario.process != "kubelet" and lost & masters and not masters - lost:
        found.append("no API server would be left")
    balancers = set(spec.having(Role.LOAD_BALANCER))
    if lost & balancers and (not balancers - lost or spec.load_balancer.virtual_address is None):
        found.append(
            f"{SINGLE_POINT}: the endpoint would be gone"
            " (a second balancer host and loadBalancer.virtualAddress cure that)"
        )
    return tuple(found)


def require_apart(prober: str, way: Sequence[str], hosts: Sequence[str]) -> None:
    """Raise Refused when the fault of `hosts` would take the prober's host, or the way to it.

    way: hosts through which it is reached. Nothing overrides this: there would be no measurement.
    """
    if prober in hosts:
        why = f"{prober} is a target of the fault: the prober there would go down with it"
    elif set(way) & set(hosts):
        jump = next(host for host in way if host in hosts)
        why = f"{prober} is reached through {jump}, a target of the fault: it would be cut off"
    else:
        return
    raise Refused(why, remedy="another host for --from or --target, or no --from")


def require(found: Sequence[str], *, accepted: bool) -> None:
    """Raise Refused unless the operator has accepted an outage in words."""
    if found and not accepted:
        raise Refused(
            "this drill is not safe:\n  - " + "\n  - ".join(found),
            remedy="make the cluster whole first; or, if its users may lose it, --accept-outage",
        )


def require_expendable(scenario: Scenario, spec: Spec, before: Sequence[str]) -> None:
    """Raise Refused where a drill destroys data and the cluster is not there for that, or is not
    whole. Nothing on a command line overrides this. before: `problems`.
    """
    if not scenario.remedy:
        return
    if not spec.policies.destructive_drills:
        raise Refused(
            f"{scenario.name} destroys data of {spec.name}, which its spec does not say to be a "
            "cluster for drills",
            remedy="where nothing in it is needed: policies: {destructiveDrills: true}",
        )
    if before:
        raise Refused(
            f"{scenario.name} destroys data, and {spec.name} is not whole:\n  - "
            + "\n  - ".join(before),
            remedy="make the cluster whole first: kanae status SPEC",
        )
