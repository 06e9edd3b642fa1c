"""What stands in front of the API servers, on a host of each role, and what of it an edit takes
away.
"""

from __future__ import annotations

from collections.abc import Sequence

from kanae.errors import Refused
from kanae.facts.model import HostBase
from kanae.layout import paths as at
from kanae.layout import ports, units
from kanae.plan import answering, handover
from kanae.plan.builder import HostBuilder
from kanae.plan.draft import Draft
from kanae.plan.rolling import in_turn
from kanae.plan.view import View
from kanae.render import haproxy, keepalived, nginx, tickle, watch
from kanae.resources.file import Absent, File
from kanae.resources.model import Resource
from kanae.resources.unit import NoUnit, Unit
from kanae.spec.models import Balancer, Role, Spec


def resources(view: View, host: str, servers: Sequence[str] = ()) -> tuple[Resource, ...]:
    """The balancer, keepalived, the gate and nginx's watch, each wanted or not.

    The virtual address leaves a host before its balancer does; a gate goes after the balancer that
    needed it. servers: the control-plane hosts that a balancer leads to, all by default.
    """
    spec, base = view.spec, view.base(host)
    holds = Role.LOAD_BALANCER in spec.hosts[host].roles
    virtual = holds and bool(spec.virtual_addresses)
    planes = spec.having(Role.CONTROL_PLANE)
    # A lone API server is used whether it is ready, or answers, or not.
    judged = spec.load_balancer.kind is Balancer.NGINX and len(planes) > 1
    return (
        # One that has come back takes the address as others do.
        *handover.none(spec.name),
        *(_balancer(spec, host, base, servers) if holds else ()),
        *(_keepalived(spec, host, base) if virtual else _no_keepalived(spec)),
        *(() if holds else _no_balancer(spec)),
        *_watch(spec, base, wanted=holds and judged),
        *(_gate(spec, host, wanted=judged) if host in planes else ()),
    )


def refuse(view: View) -> None:
    """Raises Refused when nobody who runs could take a virtual address over."""
    spec, unit = view.spec, units.keepalived(view.spec.name)
    running = {host for host in view.facts.hosts if view.active(host, unit)}
    if not spec.virtual_addresses or not running or running & set(spec.having(Role.LOAD_BALANCER)):
        return
    names = ", ".join(sorted(running))
    raise Refused(
        f"without {names} no balancer would be left that runs and could take the virtual address",
        remedy=f"put {names} back into the spec as it was; bring the other balancers up (kanae "
        "status tells what is down), or add new ones and apply; then take it out",
    )


def plan(draft: Draft) -> None:
    """Balancers that run change one after another, so that the endpoint is always answered. Hosts
    that only lose something else than a virtual address come later (see `balancer_removal`), unless
    there is no cluster yet: an API server may be to have the port.

    A virtual address is never with two hosts: keepalived believes those it knows, so one that goes
    has given the address up before the others forget it, and one that comes begins when the others
    know it. Those that serve are led to control-plane hosts that join when these have joined, see
    `plan.backends`.
    """
    view = draft.view
    losing = [host for host in draft.hosts if only_loses(view, host)]
    coming = [host for host in draft.hosts if _comes(view, host)]
    present = [host for host in draft.hosts if host not in (*losing, *coming)]
    # One that was leaving, and stays after all, is passed its packets until it changes itself.
    present.sort(key=lambda host: not view.active(host, units.hand_over(view.spec.name)))
    unit = units.balancer(view.spec.name)
    given_up = _give_up(draft, losing)
    balancing: list[str | None] = []

    def change(host: str, needs: Sequence[str | None]) -> str | None:
        wanted = resources(view, host, () if host in coming else _servers(view, host))
        step = draft.hosts[host].converge("balancer", "load balancer", wanted, [*given_up, *needs])
        if Role.LOAD_BALANCER in view.spec.hosts[host].roles:
            balancing.append(step)
        return step

    for note in answering.notes(view):
        draft.builder.note(note)
    steps = draft.rolling.roll(present, change, serves=lambda host: view.active(host, unit))
    steps += in_turn(coming, change, at_once=max(1, len(coming)), after=tuple(balancing))
    draft.at.balancers = [*given_up, *steps]
    if draft.first:
        lose(draft, draft.at.balancers)


def lose(draft: Draft, needs: Sequence[str | None]) -> None:
    """Hosts lose what is left to them when they have given the virtual address up."""
    for host in draft.hosts:
        if only_loses(draft.view, host):
            wanted = _rest(draft.view, host)
            draft.hosts[host].converge("balancer", "load balancer", wanted, needs)


def serves(view: View, host: str) -> bool:
    """Whether a host of the spec is a balancer already."""
    holds = Role.LOAD_BALANCER in view.spec.hosts[host].roles
    return holds and host in view.reachable and not _comes(view, host)


def complete(view: View, host: str) -> tuple[Resource, ...]:
    """What lets a balancer that runs lead to all control-plane hosts."""
    config, *_ = _balancer(view.spec, host, view.base(host), ())
    return (config, Unit(units.balancer(view.spec.name), reload_on=(config.key,)))


def _servers(view: View, host: str) -> list[str]:
    """The control-plane hosts that a balancer leads to until others have joined."""
    file = view.host(host).files.get(at.balancer_config(view.spec.name))
    named = (file.text or "").split() if file is not None else []
    return [
        each
        for each in view.control_planes
        if not view.joins(each) or f"{view.spec.hosts[each].address}:{ports.API_SERVER}" in named
    ]


def _comes(view: View, host: str) -> bool:
    """Whether it is to be a balancer and never was one."""
    config = view.host(host).files.get(at.balancer_config(view.spec.name))
    return Role.LOAD_BALANCER in view.spec.hosts[host].roles and config is None


def _give_up(draft: Draft, losing: Sequence[str]) -> list[str]:
    """Whoever may have a virtual address and is no balancer any more gives it to those that stay,
    with the clients that it has, one after another: those that go after it may get it meanwhile,
    and pass on to one host at a time. losing: hosts of the spec."""
    view, builder, cluster = draft.view, draft.builder, draft.view.spec.name
    gone = _no_keepalived(view.spec)
    builders = {host: draft.hosts[host] for host in losing}
    builders |= {
        host.name: HostBuilder(builder, host.name, view.facts.hosts[host.name], ())
        for host in view.leaving
        if view.still_ours(host.name)
    }
    going = sorted(builders.values(), key=lambda each: not handover.under_way(cluster, each.facts))
    staying = [
        draft.hosts[host] for host in view.spec.having(Role.LOAD_BALANCER) if host in draft.hosts
    ]

    def change(host: str, needs: Sequence[str | None]) -> str | None:
        later = going[going.index(builders[host]) + 1 :]
        return handover.give_up(draft, builders[host], [*staying, *later], gone, needs)

    # One that was going, and stays after all.
    ending = [each for each in staying if going and handover.under_way(cluster, each.facts)]
    before = [handover.await_end(draft, each) for each in ending]
    return in_turn([each.host for each in going], change, after=before)


def only_loses(view: View, host: str) -> bool:
    """Whether all that changes on a host is that a balancer or a gate goes."""
    if Role.LOAD_BALANCER in view.spec.hosts[host].roles:
        return False
    return any(
        isinstance(resource, NoUnit)
        and resource.difference(view.host(host), frozenset()) is not None
        for resource in resources(view, host)
    )


def _rest(view: View, host: str) -> tuple[Resource, ...]:
    given_up = _no_keepalived(view.spec)
    return tuple(each for each in resources(view, host) if each not in given_up)


def _balancer(
    spec: Spec, host: str, base: HostBase, servers: Sequence[str]
) -> tuple[Resource, ...]:
    is_nginx = spec.load_balancer.kind is Balancer.NGINX
    name = units.balancer(spec.name)
    config = File(
        at.balancer_config(spec.name),
        nginx.config(spec, base, servers)
        if is_nginx
        else haproxy.balancer(spec, host, base, servers),
    )
    unit = File(
        f"{at.UNITS}/{name}",
        nginx.unit(spec, base) if is_nginx else haproxy.balancer_unit(spec, base),
    )
    return (config, unit, Unit(name, restart_on=(unit.key,), reload_on=(config.key,)))


def _no_balancer(spec: Spec) -> tuple[Resource, ...]:
    return _gone(units.balancer(spec.name), at.balancer_config(spec.name))


def _keepalived(spec: Spec, host: str, base: HostBase) -> tuple[Resource, ...]:
    """With who tells the other balancers of the address's clients, and goes after it."""
    name = units.keepalived(spec.name)
    settings = File(at.keepalived_config(spec.name), keepalived.config(spec, host, base))
    unit = File(f"{at.UNITS}/{name}", keepalived.unit(spec, base))
    telling = units.tickle(spec.name)
    program = File(at.tickle_program(spec.name), tickle.program())
    its_unit = File(f"{at.UNITS}/{telling}", tickle.unit(spec, host, base))
    return (
        settings,
        unit,
        Unit(name, restart_on=(unit.key,), reload_on=(settings.key,)),
        program,
        its_unit,
        Unit(telling, restart_on=(program.key, its_unit.key)),
    )


def _no_keepalived(spec: Spec) -> tuple[Resource, ...]:
    return (
        *_gone(units.keepalived(spec.name), at.keepalived_config(spec.name)),
        *_gone(units.tickle(spec.name), at.tickle_program(spec.name)),
    )


def _gate(spec: Spec, host: str, *, wanted: bool) -> tuple[Resource, ...]:
    """Only for nginx: before haproxy it would cut kept connections at an orderly shutdown."""
    if not wanted:
        return _gone(units.GATE, at.GATE_SCRIPT)
    script = File(at.GATE_SCRIPT, nginx.gate_script(spec, host), 0o755)
    unit = File(at.GATE_UNIT, nginx.gate_unit())
    return (script, unit, Unit(units.GATE, restart_on=(script.key, unit.key)))


def _watch(spec: Spec, base: HostBase, *, wanted: bool) -> tuple[Resource, ...]:
    name, path = units.watch(spec.name), at.watch_script(spec.name)
    if not wanted:
        return _gone(name, path)
    script = File(path, watch.script(spec, base), 0o755)
    unit = File(f"{at.UNITS}/{name}", watch.unit(spec))
    return (script, unit, Unit(name, restart_on=(script.key, unit.key)))


def _gone(unit: str, reads: str) -> tuple[Resource, ...]:
    """A unit of an earlier spec. reads: the file that it reads, which goes when it has stopped."""
    return (NoUnit(unit, f"{at.UNITS}/{unit}"), Absent(reads))
