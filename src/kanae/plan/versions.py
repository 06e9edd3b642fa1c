"""Which version of Kubernetes each host runs, and which hosts an upgrade has still to move.

All of it is told by the hosts and the API, nothing by what kanae has meant to do: a run may have
been cut off anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kanae.facts.nodes import kubelet_version
from kanae.layout import marks, units
from kanae.plan.control_plane import STATIC_PODS, control_plane_fingerprint, manifest
from kanae.plan.view import View
from kanae.spec.models import EtcdTopology
from kanae.spec.versions import KubernetesVersion

# As kubeadm writes it into a manifest.
_IMAGE = re.compile(r"^ *image: *[\"']?\S+:(v\d+\.\d+\.\d+)[\"']?$", re.MULTILINE)
# What an etcd must be at least from which one goes on to 3.7 (etcd's upgrade guide to 3.7).
ETCD_FLOORS: Mapping[tuple[int, int], tuple[int, int, int]] = {(3, 7): (3, 6, 11)}


def static_pods(view: View, host: str) -> Mapping[str, KubernetesVersion]:
    """By component, of the manifests on a control-plane host that tell."""
    facts = view.facts.hosts.get(host)
    found: dict[str, KubernetesVersion] = {}
    for pod in STATIC_PODS:
        fact = facts.files.get(manifest(pod)) if facts is not None else None
        if match := _IMAGE.search(fact.text or "") if fact is not None else None:
            found[pod] = KubernetesVersion.parse(match[1])
    return found


def control_planes(view: View) -> Mapping[str, KubernetesVersion]:
    """The oldest component of each control-plane host that has joined."""
    told = {host: static_pods(view, host) for host in view.joined_control_planes}
    return {host: min(each.values()) for host, each in told.items() if each}


def kubelet(view: View, host: str) -> KubernetesVersion | None:
    """As the node tells it in the API; None where it does not."""
    node = view.api.nodes.get(host) if view.api is not None else None
    return parsed(kubelet_version(node)) if node is not None else None


def kubelets(view: View) -> Mapping[str, KubernetesVersion]:
    """Of all nodes of the spec that tell."""
    told = {host: kubelet(view, host) for host in view.spec.nodes}
    return {host: version for host, version in told.items() if version is not None}


def parsed(text: str) -> KubernetesVersion | None:
    """Of what a component says of itself; None where that is no release's version."""
    try:
        return KubernetesVersion.parse(text.partition("-")[0].partition("+")[0])
    except ValueError:
        return None


def wanted(view: View) -> KubernetesVersion:
    return KubernetesVersion.parse(view.spec.version)


def moves(view: View, host: str) -> bool:
    """Whether `kubeadm upgrade` has to move the control plane of a host.

    One that lacks a manifest is nothing that kubeadm upgrades (StaticPodManifest of its preflight
    checks): its manifests are written again as those of any host that lost one.
    """
    if host not in view.joined_control_planes:
        return False
    found = static_pods(view, host)
    if len(found) < len(STATIC_PODS):
        return False
    if (view.mark(host, marks.JOINED) or "").strip() == control_plane_fingerprint(view, host):
        return False
    begun = view.mark(host, marks.UPGRADING) is not None
    return begun or any(version != wanted(view) for version in found.values())


def behind(view: View) -> tuple[str, ...]:
    """Control-plane hosts that are still to be moved, those first that have been begun."""
    hosts = [host for host in view.joined_control_planes if moves(view, host)]
    return tuple(sorted(hosts, key=lambda host: view.mark(host, marks.UPGRADING) is None))


def node_moves(view: View, host: str) -> bool:
    """Whether kubelet of a node is of another version than the spec's."""
    version = kubelet(view, host) if view.joined(host) else None
    return version is not None and version != wanted(view)


def upgrading(view: View) -> bool:
    """Whether anything on the hosts has still to be moved to the release of the spec."""
    nodes = any(node_moves(view, host) for host in view.spec.nodes)
    return bool(behind(view)) or nodes or bool(etcd_behind(view))


def stays(view: View, host: str) -> bool:
    """Whether kubelet and the container runtime of a host are left as they are until its own turn
    in an upgrade: kubelet may be newer than no API server. Also while nobody can tell."""
    if not view.joined(host):
        return False
    if kubelet(view, host) is not None:
        return node_moves(view, host)
    return view.active(host, units.KUBELET) and (view.unanswered or bool(behind(view)))


def etcd_versions(view: View) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Of each host whose member of etcd tells, what it runs."""
    for host in view.spec.etcd_hosts:
        facts = view.facts.hosts.get(host)
        fact = facts.etcd if facts is not None else None
        if fact is not None and (version := etcd_parsed(fact.version)) is not None:
            yield host, version


def etcd_parsed(text: str) -> tuple[int, int, int] | None:
    """From `3.6.16`, `v3.6.16`, or the tag of an image, `3.6.16-0`."""
    match = re.fullmatch(r"v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(-\d{1,4})?", text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def etcd_wanted(view: View) -> tuple[int, int, int] | None:
    """What the members of etcd run when the hosts are as the spec says."""
    external = view.spec.etcd_topology is EtcdTopology.EXTERNAL
    return etcd_parsed(view.site.release.components["etcd" if external else "etcd-image"])


def etcd_behind(view: View) -> tuple[str, ...]:
    """Hosts whose member of external etcd runs another version. kubeadm sees to stacked ones."""
    if view.spec.etcd_topology is not EtcdTopology.EXTERNAL:
        return ()
    wanted = etcd_wanted(view)
    return tuple(host for host, version in etcd_versions(view) if version != wanted)


def etcd_short(view: View) -> Mapping[str, tuple[int, int, int]]:
    """Hosts whose member of etcd is too old to go on to the minor that the release comes with."""
    wanted = etcd_wanted(view)
    floor = ETCD_FLOORS.get(wanted[:2]) if wanted is not None else None
    if wanted is None or floor is None:
        return {}
    return {
        host: version
        for host, version in etcd_versions(view)
        if version[:2] < wanted[:2] and version < floor
    }


def dotted(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))
