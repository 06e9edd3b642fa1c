"""What stands in front of the API servers, on a host of each role, and what of it an edit takes
away.
"""

from __future__ import annotations

from collections.abc import Sequence

from kanae.facts.model import HostBase
from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan.draft import Draft
from kanae.plan.view import View
from kanae.render import haproxy, keepalived, nginx
from kanae.resources.file import Absent, File
from kanae.resources.model import Resource
from kanae.resources.unit import NoUnit, Unit
from kanae.spec.models import Balancer, Role, Spec


def resources(view: View, host: str) -> tuple[Resource, ...]:
    """The balancer, keepalived and the gate, each wanted or not.

    The virtual address leaves a host before its balancer does; a gate goes after the balancer that
    needed it.
    """
    spec, base = view.spec, view.base(host)
    holds = Role.LOAD_BALANCER in spec.hosts[host].roles
    virtual = holds and spec.load_balancer.virtual_address is not None
    planes = spec.having(Role.CONTROL_PLANE)
    # A lone API server is used whether it is ready or not.
    gated = spec.load_balancer.kind is Balancer.NGINX and len(planes) > 1
    return (
        *(_balancer(spec, host, base) if holds else ()),
        *(_keepalived(spec, host, base) if virtual else _no_keepalived(spec)),
        *(() if holds else _no_balancer(spec)),
        *(_gate(spec, host, wanted=gated) if host in planes else ()),
    )


def plan(draft: Draft) -> None:
    """Balancers that run change one after another, so that the endpoint is always answered. Hosts
    that only lose something come later: see `balancer_removal`."""
    view = draft.view
    staying = [host for host in draft.hosts if not only_loses(view, host)]
    unit = units.balancer(view.spec.name)

    def change(host: str, needs: Sequence[str | None]) -> str | None:
        return draft.hosts[host].converge("balancer", "load balancer", resources(view, host), needs)

    draft.at.balancers = draft.rolling.roll(
        staying, change, serves=lambda host: view.active(host, unit)
    )


def only_loses(view: View, host: str) -> bool:
    """Whether all that changes on a host is that a balancer or a gate goes."""
    if Role.LOAD_BALANCER in view.spec.hosts[host].roles:
        return False
    return any(
        isinstance(resource, NoUnit)
        and resource.difference(view.host(host), frozenset()) is not None
        for resource in resources(view, host)
    )


def moves_address(view: View, host: str) -> bool:
    """Whether the virtual address on a host, if it is there, is to be another one, or none."""
    path = at.keepalived_config(view.spec.name)
    if not view.active(host, units.keepalived(view.spec.name)):
        return False
    here = view.host(host)
    wanted = [each for each in resources(view, host) if each.name == path]
    return any(each.difference(here, frozenset()) is not None for each in wanted)


def _balancer(spec: Spec, host: str, base: HostBase) -> tuple[Resource, ...]:
    is_nginx = spec.load_balancer.kind is Balancer.NGINX
    name = units.balancer(spec.name)
    config = File(
        at.balancer_config(spec.name),
        nginx.config(spec, base) if is_nginx else haproxy.balancer(spec, host, base),
    )
    unit = File(
        f"{at.UNITS}/{name}",
        nginx.unit(spec, base) if is_nginx else haproxy.balancer_unit(spec, base),
    )
    return (config, unit, Unit(name, restart_on=(unit.key,), reload_on=(config.key,)))


def _no_balancer(spec: Spec) -> tuple[Resource, ...]:
    return _gone(units.balancer(spec.name), at.balancer_config(spec.name))


def _keepalived(spec: Spec, host: str, base: HostBase) -> tuple[Resource, ...]:
    name = units.keepalived(spec.name)
    settings = File(at.keepalived_config(spec.name), keepalived.config(spec, host, base))
    unit = File(f"{at.UNITS}/{name}", keepalived.unit(spec, base))
    return (settings, unit, Unit(name, restart_on=(unit.key,), reload_on=(settings.key,)))


def _no_keepalived(spec: Spec) -> tuple[Resource, ...]:
    return _gone(units.keepalived(spec.name), at.keepalived_config(spec.name))


def _gate(spec: Spec, host: str, *, wanted: bool) -> tuple[Resource, ...]:
    """Only for nginx: before haproxy it would cut kept connections at an orderly shutdown."""
    if not wanted:
        return _gone(units.GATE, at.GATE_SCRIPT)
    script = File(at.GATE_SCRIPT, nginx.gate_script(spec, host), 0o755)
    unit = File(at.GATE_UNIT, nginx.gate_unit())
    return (script, unit, Unit(units.GATE, restart_on=(script.key, unit.key)))


def _gone(unit: str, reads: str) -> tuple[Resource, ...]:
    """A unit of an earlier spec. reads: the file that it reads, which goes when it has stopped."""
    return (NoUnit(unit, f"{at.UNITS}/{unit}"), Absent(reads))
