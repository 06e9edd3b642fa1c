"""Versions that a living cluster cannot go to: each in one sentence, with the way to go."""

from __future__ import annotations

from kanae.errors import Refused
from kanae.plan import versions
from kanae.plan.view import View
from kanae.spec.models import EtcdTopology
from kanae.spec.versions import KubernetesVersion, kubelet_skew, upgrade_skew


def refuse(view: View) -> None:
    """Raises Refused. Of a cluster that has joined control-plane hosts."""
    wanted = versions.wanted(view)
    planes, kubelets = versions.control_planes(view), versions.kubelets(view)
    for host, version in (*planes.items(), *kubelets.items()):
        if version > wanted:
            raise Refused(
                f"Kubernetes cannot go back: {host} runs {version} and the spec says {wanted}",
                remedy=f"set kubernetes: {version}",
            )
    for host, version in planes.items():
        if upgrade_skew(version, wanted):
            raise Refused(
                f"from {version}, which {host} runs, Kubernetes cannot go to {wanted} at once",
                remedy=_next(view, version),
            )
    for host, version in kubelets.items():
        if host not in planes and (why := kubelet_skew(version, wanted)):
            raise Refused(f"{host}: {why}", remedy=_next(view, version))
    _etcd(view)


def _next(view: View, version: KubernetesVersion) -> str:
    """The newest known release of the next minor."""
    known = map(KubernetesVersion.parse, view.site.release.data["release"])
    fit = [each for each in known if each.minor == version.minor + 1]
    first = f"set kubernetes: {max(fit)}" if fit else f"go to 1.{version.minor + 1}"
    return f"{first} and apply, then go on from there: one minor version at a time"


def _etcd(view: View) -> None:
    wanted = versions.etcd_wanted(view)
    if wanted is None:
        return
    told = dict(versions.etcd_versions(view))
    # While one is of the old minor the others may still go back to it.
    oldest = min(told, key=lambda host: told[host], default="")
    if oldest and told[oldest][:2] > wanted[:2]:
        raise Refused(
            f"etcd cannot go back: {oldest} runs {versions.dotted(told[oldest])}, and Kubernetes "
            f"{view.spec.version} comes with {versions.dotted(wanted)}",
            remedy="go on with the Kubernetes version that brought it",
        )
    short = versions.etcd_short(view)
    stacked = view.spec.etcd_topology is EtcdTopology.STACKED
    coming = [host for host in view.control_planes if view.joins(host)]
    for host, version in short.items() if not stacked or coming else ():
        raise Refused(
            f"Kubernetes {view.spec.version} comes with etcd {versions.dotted(wanted)}, and {host} "
            f"runs {versions.dotted(version)}, from which etcd cannot go on to it: the least is "
            f"{versions.dotted(versions.ETCD_FLOORS[wanted[:2]])}",
            remedy="bring every member to that first"
            + (f", or take {', '.join(coming)} out of the spec" if stacked else ""),
        )
