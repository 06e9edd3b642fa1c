"""Who takes part in a restore, by what is on the hosts: a blank one joins the cluster after it."""

from __future__ import annotations

from dataclasses import dataclass

from kanae.layout import paths as at
from kanae.plan.control_plane import STATIC_PODS
from kanae.plan.membership import named_after
from kanae.plan.saved import Saved
from kanae.plan.view import View
from kanae.spec.models import EtcdTopology, Role


@dataclass(frozen=True, slots=True)
class Stand:
    """Who takes part. members: of the restored etcd. masters: whose API servers serve it. fenced:
    all on which something of the cluster's would go on otherwise, those that are leaving too.
    nodes: those that run pods."""

    members: tuple[str, ...]
    masters: tuple[str, ...]
    fenced: tuple[str, ...]
    nodes: tuple[str, ...]


def stand(view: View) -> Stand:
    """A host that is blank, or has not joined yet, joins the cluster when it is restored."""
    spec, whole = view.spec, view.former.spec
    there = [host for host in whole.hosts if host in view.facts.hosts and ours(view, host)]
    return Stand(
        tuple(host for host in spec.etcd_hosts if host in there and _has_etcd(view, host)),
        tuple(host for host in view.joined_control_planes if host in there),
        tuple(
            host
            for host in there
            if (Role.CONTROL_PLANE in whole.hosts[host].roles and view.joined(host))
            or (host in whole.etcd_hosts and _has_etcd(view, host))
        ),
        tuple(host for host in spec.nodes if host in there and view.joined(host)),
    )


def awaited(who: Stand, saved: Saved) -> tuple[str, ...]:
    """Nodes that the backup knows: which others may register says the next apply."""
    return tuple(host for host in who.nodes if host in saved.hosts)


def static_pods(view: View, host: str) -> tuple[str, ...]:
    """Those of the control plane on a host."""
    spec = view.former.spec
    if Role.CONTROL_PLANE not in spec.hosts[host].roles or not view.joined(host):
        return ()
    stacked = spec.etcd_topology is EtcdTopology.STACKED
    return (*STATIC_PODS, *(["etcd"] if stacked else []))


def runs_unit(view: View, host: str) -> bool:
    """Whether its member of etcd is a unit of systemd's."""
    spec = view.former.spec
    return spec.etcd_topology is EtcdTopology.EXTERNAL and host in spec.etcd_hosts


def ours(view: View, host: str) -> bool:
    """Whether a host that has answered is this cluster's."""
    return named_after(view.former.spec, view.host(host))


def _has_etcd(view: View, host: str) -> bool:
    """Whether what runs a member is there, with or without data."""
    if view.former.spec.etcd_topology is EtcdTopology.STACKED:
        return view.joined(host)
    return view.host(host).files.get(at.ETCD_CONFIG) is not None
