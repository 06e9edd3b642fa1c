"""External etcd, and the balancers through which API servers reach it."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.facts.model import Query
from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan.draft import Draft
from kanae.plan.view import View
from kanae.plan.waits import await_api, await_etcd
from kanae.render import etcd, haproxy
from kanae.resources.file import Directory, File
from kanae.resources.model import Resource
from kanae.resources.unit import Unit
from kanae.spec.models import EtcdTopology, Role, Spec


def query(spec: Spec, host: str) -> Query:
    """Whether a member has data, and what it says of itself."""
    if host not in spec.etcd_hosts:
        return Query()
    external = spec.etcd_topology is EtcdTopology.EXTERNAL
    return Query(files=(member_folder(spec),), etcd=external)


def member_folder(spec: Spec) -> str:
    return f"{spec.etcd.data_dir}/member"


def resources(view: View, host: str) -> tuple[Resource, ...]:
    spec, base = view.spec, view.base(host)
    if spec.etcd_topology is not EtcdTopology.EXTERNAL:
        return ()
    wanted: list[Resource] = []
    roles = spec.hosts[host].roles
    if Role.ETCD in roles:
        config = File(at.ETCD_CONFIG, etcd.config(spec, host), 0o600)
        unit = File(at.ETCD_UNIT, etcd.unit(spec, base))
        # A member that has data knows the others by that.
        members = {name: str(spec.hosts[name].address) for name in spec.etcd_hosts}
        bootstrap = etcd.bootstrap(spec, members, "new")
        wanted.append(File(at.ETCD_BOOTSTRAP, bootstrap, 0o600, until=member_folder(spec)))
        wanted += [
            Directory(str(spec.etcd.data_dir), 0o700),
            config,
            unit,
            Unit(units.ETCD, restart_on=(config.key, unit.key, f"binary:{at.BIN}/etcd")),
        ]
    if Role.CONTROL_PLANE in roles:
        config = File(at.ETCD_BALANCER_CONFIG, haproxy.etcd_balancer(spec, host))
        unit = File(at.ETCD_BALANCER_UNIT, haproxy.etcd_balancer_unit(base))
        wanted += [
            config,
            unit,
            Unit(units.ETCD_BALANCER, restart_on=(unit.key,), reload_on=(config.key,)),
        ]
    return tuple(wanted)


def plan(draft: Draft) -> None:
    """Members of a new cluster start together. Those that serve change one at a time after them:
    the next is touched when etcd has all its members and the API server of the host has its etcd
    again.
    """
    view = draft.view
    members = [host for host in view.spec.etcd_hosts if host in draft.hosts]

    def change(host: str, needs: Sequence[str | None]) -> str | None:
        return draft.hosts[host].converge(
            "etcd",
            "etcd",
            resources(view, host),
            needs=[draft.at.certificates.get(host), *needs],
        )

    def gate(host: str, step: str) -> str:
        if _member(view, host):
            step = await_etcd(draft, host, "etcd", "member-healthy", step)
            draft.hosts[host].last = step
        if view.api_ready(host):
            step = await_api(draft, host, "etcd", "api-ready", step)
        return step

    def started(steps: Sequence[str]) -> str:
        return await_etcd(draft, members[0], "etcd", "started", *steps)

    touched = draft.rolling.roll(
        draft.hosts,
        change,
        gate,
        serves=lambda host: _member(view, host) or view.api_ready(host),
        started=started if any(_member(view, host) for host in members) else None,
    )
    if touched and view.spec.etcd_topology is EtcdTopology.EXTERNAL:
        draft.at.quorum = await_etcd(draft, members[0], "etcd", "quorum", *touched)


def _member(view: View, host: str) -> bool:
    """Whether a member of external etcd runs there."""
    return Role.ETCD in view.spec.hosts[host].roles and view.active(host, units.ETCD)
