"""Steps that wait until what serves on one host serves again, so that the next may be touched."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.layout import ports
from kanae.plan.actions import AwaitApi, AwaitEtcd, AwaitKubelet
from kanae.plan.draft import Draft
from kanae.spec.models import Spec


def await_api(draft: Draft, host: str, stage: str, name: str, after: str, serves: str = "") -> str:
    """The host's own API server. What follows on the host waits for it too. serves: a name that its
    certificate has to have by then."""
    address = str(draft.view.spec.hosts[host].address)
    step = draft.builder.add(
        host,
        stage,
        name,
        "wait for the API server",
        AwaitApi(address, ports.API_SERVER, serves),
        needs=[after],
    )
    draft.hosts[host].last = (step,)
    return step


def await_kubelet(draft: Draft, host: str, stage: str, name: str, after: str) -> str:
    """kubelet's health, as it tells it on the host itself: the API would know of a kubelet that
    does not start only after its lease has run out."""
    step = draft.builder.add(
        host,
        stage,
        name,
        "wait for kubelet",
        AwaitKubelet(kubelet_port(draft.view.spec, host)),
        needs=[after],
    )
    draft.hosts[host].last = (step,)
    return step


def kubelet_port(spec: Spec, host: str) -> int:
    """Of kubelet's health check there; 0 where it is turned off."""
    port = spec.kubelet_of(host).get("healthzPort", ports.KUBELET_HEALTHZ)
    return port if isinstance(port, int) else ports.KUBELET_HEALTHZ


def await_etcd(
    draft: Draft, host: str, stage: str, name: str, *after: str | None, without: Sequence[str] = ()
) -> str:
    """All of etcd's members, but those that are still to come."""
    spec = draft.view.spec
    endpoints = tuple(
        f"https://{spec.hosts[name].address}:{ports.ETCD_CLIENT}"
        for name in spec.etcd_hosts
        if name not in without
    )
    return draft.builder.add(
        host, stage, name, "wait for etcd's quorum", AwaitEtcd(endpoints), needs=after
    )


def serves_api(draft: Draft, host: str) -> bool:
    """Whether others are touched only when the API server of a host serves: where it does now, and
    in an upgrade wherever there is one, since one that was busy when it was asked is not dead."""
    view = draft.view
    upgraded = draft.at.upgrading and host in view.joined_control_planes
    return upgraded or view.api_ready(host)
