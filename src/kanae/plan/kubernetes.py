"""What stands beside kubeadm's control plane: patches of its output, an orderly end, and what acts
when the leader of its etcd dies."""

from __future__ import annotations

from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan import etcd
from kanae.plan.draft import Draft
from kanae.plan.view import View
from kanae.render import api_server, coredns, shutdown
from kanae.render.kubelet_config import kubelet_patch
from kanae.resources.file import Absent, Directory, File
from kanae.resources.model import Resource
from kanae.resources.unit import Unit
from kanae.spec.models import EtcdTopology, Role


def resources(view: View, host: str) -> tuple[Resource, ...]:
    spec = view.spec
    if host not in spec.nodes:
        return ()
    wanted: list[Resource] = [Directory(at.PATCHES)]
    wanted.append(File(at.KUBELET_PATCH, kubelet_patch(spec, host, view.base(host))))
    if Role.CONTROL_PLANE in spec.hosts[host].roles:
        api = api_server.patch(spec)
        wanted.append(
            Absent(at.API_SERVER_PATCH) if api is None else File(at.API_SERVER_PATCH, api)
        )
        wanted.append(File(at.COREDNS_PATCH, coredns.patch(spec)))
        script = File(at.SHUTDOWN_SCRIPT, shutdown.script(), 0o755)
        unit = File(at.SHUTDOWN_UNIT, shutdown.unit())
        wanted += [script, unit, Unit(units.SHUTDOWN, restart_on=(unit.key,))]
        if spec.etcd_topology is EtcdTopology.STACKED:
            wanted += etcd.failover(spec)
    return tuple(wanted)


def plan(draft: Draft) -> None:
    for host, build in draft.hosts.items():
        build.converge("kubernetes", "kubeadm's configuration", resources(draft.view, host))
        draft.at.patched[host] = build.last
