"""The plan: what makes hosts into the cluster of the spec, or back into it."""

from __future__ import annotations

from kanae.plan import (
    addons,
    backends,
    backup,
    balancer,
    balancer_removal,
    binaries,
    clients,
    control_plane,
    departures,
    endpoint,
    etcd,
    hand_back,
    identity,
    images,
    in_cluster,
    joins,
    kubelet,
    kubernetes,
    members,
    network,
    node_upgrade,
    nodes,
    packages,
    pki,
    rebuilt,
    reconfigure,
    refusals,
    registration,
    runtime,
    system,
    upgrade,
    upgrade_snapshot,
)
from kanae.plan.builder import Builder, HostBuilder
from kanae.plan.control_plane import first_host
from kanae.plan.draft import Draft
from kanae.plan.hosts import resources
from kanae.plan.model import Plan
from kanae.plan.rolling import Rolling
from kanae.plan.view import View
from kanae.resources.unit import Unit

# All parts, in the order in which they plan; each may wait for steps of those before it.
_PARTS = (
    system,
    binaries,
    runtime,
    images,
    kubelet,
    packages,
    pki,
    identity,
    rebuilt,
    upgrade_snapshot,
    etcd,
    balancer,
    kubernetes,
    control_plane,
    in_cluster,
    reconfigure,
    hand_back,
    endpoint,
    balancer_removal,
    registration,
    departures,
    upgrade,
    members,
    joins,
    backends,
    network,
    addons,
    node_upgrade,
    nodes,
    clients,
    backup,
)


def plan(view: View) -> Plan:
    """Pure: the same view gives the same plan. Raises Refused for what kanae must not do."""
    back = etcd.returned(view) if view.site.replacing else ()
    view = view.passing_over(back)
    refusals.refuse(view)
    builder = Builder(view.spec.name)
    for host in back:
        builder.note(
            f"{host} has left the cluster and came back with what it had; nothing is done there, "
            f"and it is still to be replaced: kanae replace {host}"
        )
    hosts = {
        host: HostBuilder(
            builder,
            host,
            view.host(host),
            [each for each in resources(view, host) if isinstance(each, Unit)],
        )
        for host in view.reachable
    }
    first = first_host(view)
    joined = view.joined_control_planes
    via = first or next((host for host in joined if view.api_ready(host)), joined[0])
    draft = Draft(view, builder, hosts, Rolling(view), via, first)
    for part in _PARTS:
        part.plan(draft)
    return builder.plan()
