"""The plan: what makes hosts into the cluster of the spec, or back into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kanae.facts.model import ObjectKey, Query
from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan import control_plane, etcd, nodes, objects, pki, refusals
from kanae.plan.builder import Builder, HostBuilder
from kanae.plan.client import client_query, plan_clients
from kanae.plan.desired import TYPICAL, Site, Stages, stages
from kanae.plan.model import Plan
from kanae.plan.view import View
from kanae.render import kubeadm
from kanae.render.objects import key_of
from kanae.resources.model import merge
from kanae.resources.unit import NoUnit
from kanae.spec.models import Role


def query(site: Site, host: str, manifests: Sequence[dict[str, object]]) -> Query:
    """All that has to be asked of a host to plan for it."""
    spec = site.spec
    roles = spec.hosts[host].roles
    queries = [resource.query() for resource in stages(site, host, TYPICAL, True).all()]
    queries.append(pki.query(spec, host))
    if Role.CLIENT in roles:
        queries.append(client_query(spec, host))
    if Role.CONTROL_PLANE in roles or Role.WORKER in roles:
        files = (
            at.KUBELET_CONF,
            at.BOOTSTRAP_KUBELET_CONF,
            at.KUBELET_CONFIG,
        )
        queries.append(Query(files=files))
    if Role.CONTROL_PLANE in roles:
        pods = tuple(f"{at.MANIFESTS}/{pod}.yaml" for pod in control_plane.STATIC_PODS)
        keys: list[ObjectKey] = [key_of(document) for document in manifests]
        keys += [key for addon in objects.ADDONS.values() for key in addon]
        keys += [key for key, _, _ in kubeadm.CONFIG_MAPS]
        queries.append(
            Query(
                files=(at.ADMIN_CONF, *pods, f"{spec.etcd.data_dir}/member"),
                cluster=True,
                objects=tuple(keys),
            )
        )
    if Role.ETCD in roles:
        queries.append(Query(files=(f"{spec.etcd.data_dir}/member",), etcd=True))
    return replace(merge(queries), address=str(spec.hosts[host].address))


def plan(view: View) -> Plan:
    """Pure: the same view gives the same plan. Raises Refused for what kanae must not do."""
    refusals.refuse(view)
    builder = Builder(view.spec.name)
    hosts = view.reachable
    site = Site(view.spec, view.release, view.artifacts, view.archives)
    want = {host: stages(site, host, view.host(host).base, view.joined(host)) for host in hosts}
    first = None if view.alive else control_plane.first_host(view)
    builders = {
        host: HostBuilder(builder, host, view.host(host), unpack=host != first) for host in hosts
    }
    marked = {host: _prepare(builders[host], want[host]) for host in hosts}
    certificates = pki.plan_pki(view, builder, marked)
    steps = etcd.plan_etcd(view, builder, builders, want, certificates)
    quorum = etcd.plan_etcd_gate(view, builder, steps)
    balancers = _balancers(view, builders, want)
    for host in hosts:
        builders[host].converge(
            "kubernetes", "kubeadm's configuration", want[host].kubernetes, want[host].units
        )
    ready = {host: [builders[host].last, certificates[host]] for host in hosts}
    init_needs = {host: [*needs, quorum] for host, needs in ready.items()}
    init = control_plane.plan_init(view, builder, init_needs)
    reconfigured = control_plane.plan_reconfigure(view, builder, init_needs)
    # A node joins with what the cluster's ConfigMaps say: they must be the new ones.
    joins = control_plane.plan_joins(view, builder, ready, init, [quorum, reconfigured, *balancers])
    via = control_plane.first_host(view) if init is not None else view.alive[0]
    network = objects.plan_network(
        view, builder, [init, *(builders[host].last for host in hosts if init is not None)]
    )
    objects.plan_addons(view, builder, [reconfigured])
    if view.alive and view.api is None:
        builder.note(
            "no API server answers: nodes and objects in the cluster were not compared; "
            "plan again when it does"
        )
    nodes.note_waiting(view, builder)
    fresh = init is not None or bool(joins) or network is not None
    up = nodes.plan_ready(view, builder, via, [init, network, *joins.values()], fresh)
    nodes.plan_nodes(view, builder, via, {**joins, via: init} if init else joins, up)
    plan_clients(view, builder, builders, via, init)
    return builder.plan()


def _prepare(build: HostBuilder, want: Stages) -> str | None:
    """Up to loaded images. Returns the step that marks the host as the cluster's, if needed."""
    marked = build.converge("system", "base system", want.system, want.units)
    build.converge("binaries", "folders", want.binaries[: _folders(want)], want.units)
    build.converge("artifacts", "deliver binaries", want.binaries[_folders(want) :], want.units)
    build.converge("runtime", "container runtime and kubelet", want.runtime, want.units)
    build.converge("images", "load images", want.images)
    return marked


def _folders(want: Stages) -> int:
    return sum(1 for resource in want.binaries if resource.kind == "directory")


def _balancers(
    view: View, builders: Mapping[str, HostBuilder], want: Mapping[str, Stages]
) -> list[str | None]:
    """Balancers that run change one after another, so that the endpoint is always answered.

    A host that only loses something (a balancer, a gate) does so when all balancers are as wanted.
    """
    unit = units.balancer(view.spec.name)
    steps: list[str | None] = []
    previous: str | None = None
    leaving = [host for host in view.reachable if _only_loses(view, host, want[host])]
    staying = [host for host in view.reachable if host not in leaving]
    for host in (*staying, *leaving):
        fact = view.host(host).units.get(unit)
        runs = fact is not None and fact.active == "active"
        step = builders[host].converge(
            "balancer",
            "load balancer",
            want[host].balancer,
            want[host].units,
            needs=[previous if runs else None, *(steps[: len(staying)] if host in leaving else ())],
        )
        if step is not None and runs:
            previous = step
        steps.append(step)
    return steps


def _only_loses(view: View, host: str, want: Stages) -> bool:
    if Role.LOAD_BALANCER in view.spec.hosts[host].roles:
        return False
    return any(
        isinstance(resource, NoUnit)
        and resource.difference(view.host(host), frozenset()) is not None
        for resource in want.balancer
    )
