"""Container images that kanae brings to a node, by its roles and the pod network."""

from __future__ import annotations

from kanae.artifacts.model import Kind
from kanae.plan.draft import Draft
from kanae.plan.view import View
from kanae.render import system
from kanae.resources.artifact import Image
from kanae.resources.model import Resource
from kanae.spec.models import EtcdTopology, Role

_NODE = ("pause", "kube-proxy", "coredns")
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def resources(view: View, host: str) -> tuple[Resource, ...]:
    return _images(view, host)


def plan(draft: Draft) -> None:
    """The host that others wait for unpacks images while kubeadm already runs; the others do it
    when they load them, while they wait."""
    for host, build in draft.hosts.items():
        images = _images(draft.view, host)
        build.load("images", "load images", images, unpack=host != draft.first)


def _images(view: View, host: str) -> tuple[Image, ...]:
    if host not in view.spec.nodes:
        return ()
    spec, roles = view.spec, view.spec.hosts[host].roles
    names: list[str] = list(_NODE)
    if Role.CONTROL_PLANE in roles:
        names += _CONTROL_PLANE
        if spec.etcd_topology is EtcdTopology.STACKED:
            names.append("etcd")
    names += system.network_images(spec)
    wanted: list[Image] = []
    for name in names:
        item = view.site.release.item(Kind.IMAGE, name, view.base(host).arch)
        had = view.site.artifacts.get(item.id)
        wanted.append(
            Image(item.reference, item.id, had.digest if had else "", had.size if had else 0)
        )
    for archive in view.site.archives:
        if set(archive.roles) & set(roles):
            wanted += [
                Image(reference, f"archive:{archive.path}", digest, archive.size)
                for reference, digest in archive.references.items()
            ]
    return tuple(wanted)
