"""What each host should have, and what has to be asked of it to tell whether it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from kanae.facts.model import Facts, HostBase, HostFacts, Query
from kanae.plan import (
    addons,
    answering,
    backup,
    balancer,
    binaries,
    certificates,
    clients,
    control_plane,
    endpoint,
    etcd,
    images,
    in_cluster,
    kubernetes,
    network,
    registration,
    runtime,
    system,
)
from kanae.plan.view import Site, View
from kanae.resources.model import Resource, merge

# Parts that say what a host should have as resources, in the order in which it gets them.
_OF_HOSTS = (system, binaries, runtime, images, etcd, balancer, kubernetes, backup)
# What a host looks like before it has been asked: which paths, units and packages there are must
# not depend on it.
TYPICAL = HostBase(
    hostname="",
    machine_id="",
    product_uuid="",
    boot_id="",
    os_id="debian",
    os_version="12",
    os_name="",
    arch="amd64",
    kernel="",
    cpus=2,
    memory=0,
    swap=0,
    cgroup=2,
    uptime=0.0,
    clock_offset=0.0,
    clock_error=0.0,
    hard_nofile=1048576,
    can_lower_oom=True,
    systemd=252,
)


def resources(view: View, host: str) -> tuple[Resource, ...]:
    """All that a host should have, in the order in which it gets it."""
    return tuple(each for part in _OF_HOSTS for each in part.resources(view, host))


def typical(site: Site) -> View:
    """Hosts that have not been asked: only their paths, units and packages are of use."""
    then = datetime.fromtimestamp(0, UTC)
    return View(site, Facts({host: HostFacts(host, then, TYPICAL) for host in site.spec.hosts}))


def queries(site: Site) -> Mapping[str, Query]:
    """All that has to be asked of each host to plan for it."""
    unasked = typical(site)
    return {host: _query(site, unasked, host) for host in site.spec.hosts}


def _query(site: Site, unasked: View, host: str) -> Query:
    spec = site.spec
    asked = [resource.query() for resource in resources(unasked, host)]
    asked += [
        system.query(spec, host),
        certificates.query(spec, host),
        etcd.query(spec, host),
        control_plane.query(spec, host),
        network.query(site, host),
        registration.query(site, host),
        in_cluster.query(spec, host),
        addons.query(spec, host),
        endpoint.query(spec, host),
        clients.query(spec, host),
        answering.query(spec),
    ]
    return replace(merge(asked), address=str(spec.hosts[host].address))
