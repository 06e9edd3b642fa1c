"""The endpoint of a living cluster, where the spec gives it another one than it has.

The new one answers before anybody is led to it, and the old one goes on: see `refusals`. Order:
balancers, certificates with the new name and kubeadm's own record (both by other parts), then the
hosts' own kubeconfigs, whose step waits until the endpoint answers, and when it has whatever else
leads somebody there: cluster-info, by which hosts join, kube-proxy, and the clients' kubeconfigs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from kanae.facts.model import ObjectKey, Query
from kanae.layout import paths as at
from kanae.layout import ports, units
from kanae.plan.actions import ApplyObjects, LeadTo
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.view import View
from kanae.plan.waits import await_kubelet
from kanae.render.documents import to_yaml
from kanae.render.kubeadm import endpoint, held
from kanae.render.objects import applied
from kanae.spec.models import Role, Spec

# How a host that joins finds the cluster (kubeadm's bootstraptoken/clusterinfo).
CLUSTER_INFO: Final = ObjectKey("configmaps", "kube-public", "cluster-info")
_OF_ADMINS: Final = (at.ADMIN_CONF, at.SUPER_ADMIN_CONF)


def query(spec: Spec, host: str) -> Query:
    if host not in spec.nodes:
        return Query()
    if Role.CONTROL_PLANE not in spec.hosts[host].roles:
        return Query(kubeconfigs=(at.KUBELET_CONF,))
    return Query(kubeconfigs=(*_OF_ADMINS, at.KUBELET_CONF), cluster=True, objects=(CLUSTER_INFO,))


def server(spec: Spec) -> str:
    return f"https://{endpoint(spec)}"


def plan(draft: Draft) -> None:
    view = draft.view
    if not view.joined_control_planes:
        return
    steps = draft.rolling.roll(
        [host for host in view.spec.nodes if view.joined(host)],
        lambda host, before: _lead(draft, host, [*draft.reached, *before]),
        lambda host, step: await_kubelet(draft, host, "endpoint", "healthy", step),
        serves=lambda host: view.active(host, units.KUBELET),
    )
    draft.at.reconfigured += steps
    _cluster_info(draft)


def _lead(draft: Draft, host: str, needs: Sequence[str | None]) -> str | None:
    wrong = led_elsewhere(draft.view, host)
    if not wrong:
        return None
    wanted = server(draft.view.spec)
    draft.at.led[host] = step = draft.builder.add(
        host,
        "endpoint",
        "lead",
        f"reach the API by {endpoint(draft.view.spec)}",
        LeadTo(wanted, tuple(wrong), at.KUBELET_CONF in wrong),
        needs=[*needs, *draft.prepared(host)],
        changes=[
            Change(Verb.UPDATE, "kubeconfig", path, f"{was} -> {wanted}")
            for path, was in wrong.items()
        ],
    )
    return step


def led_elsewhere(view: View, host: str) -> Mapping[str, str]:
    """Kubeconfigs that do not lead to the endpoint -> where they lead. kubelet of a control-plane
    host has its own API server (ControlPlaneKubeletLocalMode of kubeadm)."""
    spec = view.spec
    right = {server(spec)}
    own = {f"https://{spec.hosts[host].address}:{ports.API_SERVER}"}
    local = own if Role.CONTROL_PLANE in spec.hosts[host].roles else set[str]()
    return {
        path: url
        for path, url in view.host(host).servers.items()
        if url not in (right | local if path == at.KUBELET_CONF else right)
    }


def _cluster_info(draft: Draft) -> None:
    view = draft.view
    live = view.api.objects.get(CLUSTER_INFO) if view.api is not None else None
    config = held(live, "kubeconfig")
    clusters = cast("list[Mapping[str, object]]", config.get("clusters") or [])
    wanted = server(view.spec)
    if not (elsewhere := servers(config) - {wanted}):
        return
    was = ", ".join(sorted(elsewhere))
    config["clusters"] = [
        {**each, "cluster": {**_of_cluster(each), "server": wanted}} for each in clusters
    ]
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CLUSTER_INFO.name, "namespace": CLUSTER_INFO.namespace},
        "data": {"kubeconfig": to_yaml([config])},
    }
    step = draft.builder.add(
        draft.via,
        "endpoint",
        "cluster-info",
        "tell hosts that join where the API is",
        ApplyObjects((applied(document).text,)),
        needs=draft.reached,
        changes=[Change(Verb.UPDATE, "config map", CLUSTER_INFO.name, f"{was} -> {wanted}")],
    )
    draft.at.reconfigured.append(step)


def servers(kubeconfig: Mapping[str, object]) -> set[str]:
    """The URLs to which a kubeconfig's clusters lead."""
    clusters = cast("list[Mapping[str, object]]", kubeconfig.get("clusters") or [])
    return {str(_of_cluster(each).get("server", "")) for each in clusters}


def _of_cluster(entry: Mapping[str, object]) -> Mapping[str, object]:
    return cast("Mapping[str, object]", entry.get("cluster") or {})
