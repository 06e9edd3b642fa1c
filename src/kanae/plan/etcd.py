"""External etcd, and the balancers through which API servers reach it."""

from __future__ import annotations

from collections.abc import Mapping

from kanae.layout import ports, units
from kanae.plan.actions import AwaitApi, AwaitEtcd
from kanae.plan.builder import Builder, HostBuilder
from kanae.plan.desired import Stages
from kanae.plan.view import View
from kanae.spec.models import Role


def plan_etcd(
    view: View,
    builder: Builder,
    builders: Mapping[str, HostBuilder],
    want: Mapping[str, Stages],
    certificates: Mapping[str, str | None],
) -> list[str | None]:
    """The last step of each host in this stage, or None.

    Hosts on which nothing serves start together, as all do in a new cluster. Those that serve
    change one at a time after them: the next is touched when etcd has all its members and the API
    server of the host has its etcd again.
    """
    serving = [host for host in view.reachable if _member(view, host) or _api(view, host)]
    idle = [host for host in view.reachable if host not in serving]
    steps: list[str | None] = []

    def converge(host: str, previous: str | None) -> str | None:
        return builders[host].converge(
            "etcd", "etcd", want[host].etcd, want[host].units, needs=[certificates[host], previous]
        )

    started = [step for host in idle if (step := converge(host, None)) is not None]
    steps += started
    previous = None
    if started and any(_member(view, host) for host in serving):
        previous = _quorum(view, builder, "started", *started)
    for host in serving:
        step = converge(host, previous)
        if step is None:
            continue
        if _member(view, host):
            step = _quorum(view, builder, "member-healthy", step, host=host)
        if _api(view, host):
            address = str(view.spec.hosts[host].address)
            step = builder.add(
                host,
                "etcd",
                "api-ready",
                "wait for the API server",
                AwaitApi(address, ports.API_SERVER),
                needs=[step],
            )
        previous = builders[host].last = step
        steps.append(step)
    return steps


def _member(view: View, host: str) -> bool:
    """Whether a member of external etcd runs there."""
    unit = view.host(host).units.get(units.ETCD)
    is_member = view.external and Role.ETCD in view.spec.hosts[host].roles
    return is_member and unit is not None and unit.active == "active"


def _api(view: View, host: str) -> bool:
    """Whether an API server of this cluster serves there."""
    api = view.host(host).api
    return host in view.alive and api is not None and api.ready


def _quorum(view: View, builder: Builder, name: str, *needs: str, host: str | None = None) -> str:
    endpoints = tuple(
        f"https://{view.spec.hosts[name].address}:{ports.ETCD_CLIENT}" for name in view.etcd_hosts
    )
    where = host or next(name for name in view.etcd_hosts if name in view.reachable)
    return builder.add(
        where, "etcd", name, "wait for etcd's quorum", AwaitEtcd(endpoints), needs=needs
    )


def plan_etcd_gate(view: View, builder: Builder, steps: list[str | None]) -> str | None:
    """Wait for quorum when any member was touched; None when none was."""
    touched = [step for step in steps if step is not None]
    if not touched or not view.external:
        return None
    return _quorum(view, builder, "quorum", *touched)
