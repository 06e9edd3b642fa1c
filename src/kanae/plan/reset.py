"""Taking a cluster off its hosts: control plane first, then etcd, then everything of ours."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.layout import marks
from kanae.layout import paths as at
from kanae.plan import runtime
from kanae.plan.actions import RemoveCluster, RemoveEtcd, RemoveKubeconfig, StopNode
from kanae.plan.belongings import left_by
from kanae.plan.builder import Builder
from kanae.plan.clients import kubeconfig
from kanae.plan.etcd import data_folder
from kanae.plan.hosts import resources, typical
from kanae.plan.membership import cluster_mark, identity_mark, named_after, require_ours, shared
from kanae.plan.model import Change, Plan, Verb
from kanae.plan.view import View
from kanae.resources.artifact import Binary
from kanae.resources.file import Absent, File
from kanae.resources.unit import NoUnit, Unit
from kanae.spec.models import Role


def reset(view: View, *, keep_artifacts: bool, identity: str = "") -> Plan:
    """Steps for every reachable host that is marked as this cluster's; others are not touched.
    Those that are leaving it are its hosts until they have left: nobody knows of them afterwards.

    keep_artifacts: leave binaries, containerd and its images, for another apply soon.
    identity: of the cluster that is meant, where no control-plane host tells it.
    Raises Refused when a host of the spec belongs to another cluster.
    """
    lost = [host.name for host in view.leaving if not view.still_ours(host.name)]
    view = view.former
    spec, builder = view.spec, Builder(view.spec.name)
    if lost:
        builder.note(untouched(*lost))
    require_ours(spec, view.facts, view.known.identity or identity)
    hosts = [host for host in view.reachable if named_after(spec, view.host(host))]
    stops = {host: stop_node(builder, host) for host in hosts if not shared(spec, host)}
    masters = [stops[host] for host in hosts if Role.CONTROL_PLANE in spec.hosts[host].roles]
    etcd = {
        host: remove_etcd(view, builder, host, masters) for host in hosts if host in spec.etcd_hosts
    }
    # The control-plane hosts go last: by them the others are known as this cluster's.
    hosts.sort(key=lambda host: Role.CONTROL_PLANE in spec.hosts[host].roles)
    removed: list[str] = []
    for host in hosts:
        needs = [stops.get(host), etcd.get(host)]
        if Role.CLIENT in spec.hosts[host].roles:
            needs.append(forget_cluster(view, builder, host))
        if Role.CONTROL_PLANE in spec.hosts[host].roles:
            needs += removed
        step = take_off(view, builder, host, needs, keep_artifacts=keep_artifacts)
        if Role.CONTROL_PLANE not in spec.hosts[host].roles:
            removed.append(step)
    return builder.plan()


def stop_node(builder: Builder, host: str, needs: Sequence[str | None] = ()) -> str:
    return builder.add(
        host,
        "stop",
        "node",
        "stop kubelet and all pods",
        StopNode(),
        needs=needs,
        changes=[Change(Verb.DELETE, "pods", "all of this node")],
    )


def untouched(*hosts: str) -> str:
    """Said of hosts that are leaving and cannot be wiped."""
    return (
        f"{', '.join(hosts)}: does not answer, or is not this cluster's any more; nothing is done "
        "there, so wipe it before it is switched on again"
    )


def remove_etcd(view: View, builder: Builder, host: str, needs: Sequence[str | None]) -> str:
    data = f"{data_folder(view, host)}/member"
    return builder.add(
        host,
        "etcd",
        "remove",
        "stop etcd and remove its data",
        RemoveEtcd(data),
        needs=needs,
        changes=[Change(Verb.DELETE, "etcd data", data)],
    )


def forget_cluster(view: View, builder: Builder, host: str) -> str | None:
    """Of the account that kanae logs in as now; it may have been another one once."""
    there, cluster = kubeconfig(view.host(host)), view.spec.name
    if there is None or not there.present:
        return None
    return builder.add(
        host,
        "client",
        "kubeconfig",
        "take the context out of the kubeconfig",
        RemoveKubeconfig(cluster, there.path, there.owner),
        changes=[Change(Verb.UPDATE, "kubeconfig", there.path, f"without context {cluster}")],
    )


def take_off(
    view: View,
    builder: Builder,
    host: str,
    needs: Sequence[str | None],
    *,
    keep_artifacts: bool,
) -> str:
    """Everything of the cluster that is on one host."""
    spec = view.spec
    facts = view.host(host)
    # By paths and units only, which depend on no facts: it works on a host of any distribution.
    whole = typical(view.site)
    kept = {each.key for each in runtime.resources(whole, host)} if keep_artifacts else set[str]()
    ours = [each for each in resources(whole, host) if each.key not in kept]
    units = [each.unit for each in ours if isinstance(each, Unit)]
    files = [each.path for each in ours if isinstance(each, File)]
    # What an earlier spec wanted and this one does not, where no apply has removed it yet.
    gone = [each for each in ours if isinstance(each, NoUnit | Absent)]
    gone = [each for each in gone if each.difference(facts, frozenset())]
    units += [each.unit for each in gone if isinstance(each, NoUnit)]
    files += [each.path for each in gone]
    # Marks say whose the host is: they go last, so that an interrupted reset is resumed.
    files = [path for path in files if not path.startswith(f"{marks.FOLDER}/")]
    if not keep_artifacts:
        files += [each.path for each in ours if isinstance(each, Binary)]
    if shared(spec, host):
        own = [
            marks.path(marks.KUBECONFIG + spec.name),
            marks.path(identity_mark(spec, host)),
            marks.path(cluster_mark(spec, host)),
        ]
        trees: list[str] = []
    else:
        own = []
        # The marks go last. With artifacts, the record of what was there before them stays.
        records = [at.IMAGES, at.LOGS, at.HASHES, at.MASKED, at.NETWORK_NAMESPACES, at.RESTORES,
                   marks.FOLDER]  # fmt: skip
        trees = [at.KUBERNETES, at.PATCHES, *(records if keep_artifacts else [at.STATE])]
    node = host in spec.nodes
    provider = spec.networks.pod_network.provider
    patterns = left_by(provider, plugins=not keep_artifacts) if node else ()
    present = [path for path in files if facts.files.get(path) is not None]
    return builder.add(
        host,
        "remove",
        "host",
        "remove everything of this cluster",
        RemoveCluster(
            units=tuple(units),
            files=(*files, *own),
            trees=tuple(trees),
            node=node,
            keep_images=keep_artifacts,
            patterns=patterns,
        ),
        needs=needs,
        changes=[
            *(Change(Verb.DELETE, "unit", unit) for unit in units),
            *(Change(Verb.DELETE, "file", path) for path in present),
            *(Change(Verb.DELETE, "folder", tree) for tree in trees),
            *(Change(Verb.DELETE, "pod network", pattern) for pattern in patterns),
        ],
    )
