"""The plan: what makes hosts into the cluster of the spec, or back into it."""

from __future__ import annotations

from kanae.errors import Refused
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
    kubernetes,
    members,
    network,
    nodes,
    pki,
    rebuilt,
    reconfigure,
    refusals,
    registration,
    renewal,
    runtime,
    system,
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
    pki,
    renewal,
    identity,
    rebuilt,
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
    members,
    joins,
    backends,
    network,
    addons,
    nodes,
    clients,
    backup,
)


def plan(view: View) -> Plan:
    """Pure: the same view gives the same plan. Raises Refused for what kanae must not do."""
    back = etcd.returned(view) if view.site.replacing else ()
    view = view.passing_over(back)
    refusals.refuse(view)
    draft = _begun(view)
    for host in back:
        draft.builder.note(
            f"{host} has left the cluster and came back with what it had; nothing is done there, "
            f"and it is still to be replaced: kanae replace {host}"
        )
    for part in _PARTS:
        part.plan(draft)
    return draft.builder.plan()


def renew(view: View) -> Plan:
    """Certificates alone, those of `Site.renewing`. Raises Refused as `plan` does, and where there
    is no cluster."""
    refusals.refuse(view)
    if not view.joined_control_planes:
        raise Refused(
            f"{view.spec.name} has not been built: there are no certificates to renew",
            remedy="kanae apply builds it",
        )
    draft = _begun(view)
    pki.gather(draft, renewal.issuers(view))
    renewal.plan(draft)
    clients.plan(draft)
    return draft.builder.plan()


def _begun(view: View) -> Draft:
    builder = Builder(view.spec.name)
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
    return Draft(view, builder, hosts, Rolling(view), via, first)
