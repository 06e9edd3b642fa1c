"""Edits of etcd's settings that are refused: on hosts with something else, in a living cluster.

kubeadm's phases that write the control plane again leave etcd's manifest alone: without this an
edit of a stacked member's settings would look as if it were in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from kanae.errors import Refused
from kanae.facts.model import ApiFact
from kanae.layout import paths as at
from kanae.plan.etcd import data_folder, manifest_arguments, occupied_words, others_in
from kanae.plan.view import View
from kanae.render.kubeadm import CONFIG_MAPS, held, stacked_etcd_arguments
from kanae.spec.models import EtcdTopology


def refuse(view: View) -> None:
    """Raises Refused. Of a cluster that has joined control-plane hosts."""
    _topology(view)
    _folder(view)
    _arguments(view)


def occupied(view: View) -> None:
    """kanae sets the owner and mode of etcd's folder: it must be nobody else's."""
    for host in view.spec.etcd_hosts:
        if host in view.reachable and (others := others_in(view.spec, view.host(host))):
            what, remedy = occupied_words(view.spec, others)
            raise Refused(f"{host} {what}", remedy=remedy)


def _topology(view: View) -> None:
    """By what only the other one has on a control-plane host."""
    external = view.spec.etcd_topology is EtcdTopology.EXTERNAL
    other = at.ETCD_MANIFEST if external else at.ETCD_BALANCER_CONFIG
    if any(view.host(host).files.get(other) is not None for host in view.joined_control_planes):
        raise Refused(
            "changing the etcd topology of a living cluster is not built yet",
            remedy=f"set etcd.topology: {'stacked' if external else 'external'}",
        )


def _folder(view: View) -> None:
    """Where a member's data is, by the file that it was started with."""
    wanted = str(view.spec.etcd.data_dir)
    for host in view.spec.etcd_hosts:
        used = data_folder(view, host) if host in view.reachable else wanted
        if used != wanted:
            raise Refused(
                f"etcd.dataDir of a living cluster cannot be changed ({used} -> {wanted} on "
                f"{host}): moving a member's data is not built yet",
                remedy=f"set etcd.dataDir: {used}",
            )


def _arguments(view: View) -> None:
    """kubeadm's upload of its configuration alone would make them look as if they were in force."""
    if view.spec.etcd_topology is EtcdTopology.EXTERNAL:
        return
    wanted = stacked_etcd_arguments(view.spec)
    for host in view.joined_control_planes:
        live = dict(manifest_arguments(view, host))
        changed = [name for name, value in wanted.items() if live and live.get(name) != value]
        if not changed and view.api is not None:
            changed = sorted(_uploaded_arguments(view.api, wanted).keys() - wanted.keys())
        if changed:
            raise Refused(
                f"the arguments of stacked etcd ({', '.join(changed)}; etcd.heartbeatInterval, "
                f"electionTimeout and extraArgs of the spec) are not those of {host}: changing "
                "them on a living cluster is not built yet",
                remedy="put the old values back into the spec: "
                + ", ".join(f"{name}={live.get(name, '(not set)')}" for name in changed),
            )


def _uploaded_arguments(api: ApiFact, default: Mapping[str, str]) -> Mapping[str, str]:
    """default: where the cluster does not tell."""
    key, field, _ = CONFIG_MAPS[0]
    etcd = cast("Mapping[str, Any]", held(api.objects.get(key), field).get("etcd") or {})
    local = cast("Mapping[str, Any]", etcd.get("local") or {})
    listed = cast("list[Mapping[str, str]] | None", local.get("extraArgs"))
    return default if listed is None else {each["name"]: each["value"] for each in listed}
