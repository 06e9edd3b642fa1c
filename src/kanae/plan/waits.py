"""Steps that wait until what serves on one host serves again, so that the next may be touched."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.layout import ports
from kanae.plan.actions import AwaitApi, AwaitEtcd, AwaitKubelet
from kanae.plan.draft import Draft


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
    settings = draft.view.spec.kubelet_of(host)
    port = settings.get("healthzPort", ports.KUBELET_HEALTHZ)
    step = draft.builder.add(
        host,
        stage,
        name,
        "wait for kubelet",
        AwaitKubelet(port if isinstance(port, int) else ports.KUBELET_HEALTHZ),
        needs=[after],
    )
    draft.hosts[host].last = (step,)
    return step


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
