"""Taking a cluster off its hosts: control plane first, then etcd, then everything of ours."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.errors import Refused
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.plan.actions import RemoveCluster, RemoveEtcd, RemoveKubeconfig, StopNode
from kanae.plan.builder import Builder
from kanae.plan.client import kubeconfig_owner, kubeconfig_path
from kanae.plan.desired import Site, stages
from kanae.plan.model import Change, Plan, Verb
from kanae.plan.view import View, shared
from kanae.resources.artifact import Binary
from kanae.resources.file import Absent, File
from kanae.resources.unit import NoUnit, Unit
from kanae.spec.models import Role


def reset(view: View, *, keep_artifacts: bool) -> Plan:
    """Steps for every reachable host that is marked as this cluster's; others are not touched.

    keep_artifacts: leave binaries, containerd and its images, for another apply soon.
    Raises Refused when a host of the spec belongs to another cluster.
    """
    builder = Builder(view.spec.name)
    hosts = [host for host in view.reachable if view.ours(host)]
    for host in view.reachable:
        owner = (view.mark(host, marks.CLUSTER) or "").strip()
        if owner not in ("", view.spec.name):
            raise Refused(
                f"{host} belongs to the cluster {owner!r}, not to {view.spec.name!r}",
                remedy="give the spec of that cluster",
            )
    stops = {host: _stop(builder, host) for host in hosts if not shared(view.spec, host)}
    masters = [stops[host] for host in hosts if Role.CONTROL_PLANE in view.spec.hosts[host].roles]
    etcd = {host: _etcd(view, builder, host, masters) for host in hosts if host in view.etcd_hosts}
    for host in hosts:
        needs = [stops.get(host), etcd.get(host)]
        if Role.CLIENT in view.spec.hosts[host].roles:
            needs.append(_client(view, builder, host))
        _remove(view, builder, host, needs, keep_artifacts=keep_artifacts)
    return builder.plan()


def _stop(builder: Builder, host: str) -> str:
    return builder.add(
        host,
        "stop",
        "node",
        "stop kubelet and all pods",
        StopNode(),
        changes=[Change(Verb.DELETE, "pods", "all of this node")],
    )


def _etcd(view: View, builder: Builder, host: str, masters: Sequence[str]) -> str:
    data = f"{view.spec.etcd.data_dir}/member"
    return builder.add(
        host,
        "etcd",
        "remove",
        "stop etcd and remove its data",
        RemoveEtcd(data),
        needs=masters,
        changes=[Change(Verb.DELETE, "etcd data", data)],
    )


def _client(view: View, builder: Builder, host: str) -> str:
    path = kubeconfig_path(view.spec, host)
    return builder.add(
        host,
        "client",
        "kubeconfig",
        "take the context out of the kubeconfig",
        RemoveKubeconfig(view.spec.name, path, kubeconfig_owner(view.spec, host)),
        changes=[Change(Verb.UPDATE, "kubeconfig", path, f"without context {view.spec.name}")],
    )


def _remove(
    view: View,
    builder: Builder,
    host: str,
    needs: Sequence[str | None],
    *,
    keep_artifacts: bool,
) -> None:
    spec = view.spec
    facts = view.host(host)
    wanted = stages(Site(spec, view.release, view.artifacts), host, facts.base, True)
    runtime = {resource.key for resource in wanted.runtime} if keep_artifacts else set[str]()
    ours = [resource for resource in wanted.all() if resource.key not in runtime]
    units = [each.unit for each in ours if isinstance(each, Unit)]
    files = [each.path for each in ours if isinstance(each, File)]
    # What an earlier spec wanted and this one does not, where no apply has removed it yet.
    gone = [each for each in ours if isinstance(each, NoUnit | Absent)]
    gone = [each for each in gone if each.difference(facts, frozenset())]
    units += [each.unit for each in gone if isinstance(each, NoUnit)]
    files += [each.path for each in gone]
    # Marks say whose the host is: they go last, so that a reset that was interrupted goes on.
    files = [path for path in files if not path.startswith(f"{marks.FOLDER}/")]
    if not keep_artifacts:
        files += [each.path for each in ours if isinstance(each, Binary)]
    if shared(spec, host):
        own = [
            marks.path(marks.KUBECONFIG + spec.name),
            marks.path(marks.MEMBER + spec.name),
        ]
        trees: list[str] = []
    else:
        own = []
        trees = [at.STATE, at.KUBERNETES, at.PATCHES, at.CNI_CONF, "/var/lib/cni"]
        if not keep_artifacts:
            trees += [at.CNI_BIN]
    trees.sort(key=lambda tree: tree == at.STATE)
    present = [path for path in files if facts.files.get(path) is not None]
    builder.add(
        host,
        "remove",
        "host",
        "remove everything of this cluster",
        RemoveCluster(
            units=tuple(units),
            files=(*files, *own),
            trees=tuple(trees),
            node=not shared(spec, host),
            keep_images=keep_artifacts,
        ),
        needs=needs,
        changes=[
            *(Change(Verb.DELETE, "unit", unit) for unit in units),
            *(Change(Verb.DELETE, "file", path) for path in present),
            *(Change(Verb.DELETE, "folder", tree) for tree in trees),
        ],
    )
