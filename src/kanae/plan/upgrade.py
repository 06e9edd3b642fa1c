"""Control planes to another version of Kubernetes, one host after another.

By kubeadm, which takes what is said of the cluster from the ConfigMap: that is uploaded before (see
`plan.reconfigure`). An API server that is stopped fails its /readyz at once and serves on while
balancers take it out (`render/api_server.py`); the next host is touched when the new one is ready.
kubelet moves later (`plan.node_upgrade`), since it may be newer than no API server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kanae.plan import versions
from kanae.plan.control_plane import control_plane_fingerprint
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.upgrade_actions import KubeadmUpgrade
from kanae.plan.waits import await_api
from kanae.render.documents import to_yaml
from kanae.render.kubeadm import upgrade_documents
from kanae.spec.models import EtcdTopology

# kubeadm waits 5 minutes for each of four static pods (UpgradeManifests of its timeouts).
_TIMEOUT: Final = 1500.0


def plan(draft: Draft) -> None:
    """Not while no API server answers: kubeadm asks it for everything. Hosts that leave have left:
    kubeadm does not begin while the node of any control-plane host is not Ready."""
    view = draft.view
    hosts = [host for host in versions.behind(view) if host in draft.hosts]
    if not hosts or view.unanswered:
        return
    # What belongs to the cluster is moved with the first host.
    first = hosts[0] if len(hosts) == len(view.joined_control_planes) else ""
    etcd = view.spec.etcd_topology is EtcdTopology.STACKED and not versions.etcd_short(view)
    before = [*draft.at.delivered, *draft.reached, draft.at.registration, *draft.at.left]

    def change(host: str, needs: Sequence[str | None]) -> str:
        facts = view.host(host)
        was = versions.static_pods(view, host).values()
        return draft.builder.add(
            host,
            "upgrade",
            "control-plane",
            f"kubeadm upgrade {'apply' if host == first else 'node'}",
            KubeadmUpgrade(
                to_yaml(upgrade_documents(view.spec, host, facts.base, etcd=etcd)),
                control_plane_fingerprint(view, host),
                view.spec.version,
                host == first,
            ),
            needs=[*before, *needs, *draft.prepared(host)],
            changes=[
                Change(Verb.UPDATE, "control plane", host, f"{min(was)} -> {view.spec.version}")
            ],
            timeout=_TIMEOUT,
        )

    draft.at.reconfigured += draft.rolling.roll(
        hosts,
        change,
        lambda host, step: await_api(
            draft, host, "upgrade", "ready", step, view.spec.endpoint_host
        ),
        serves=lambda _: True,
    )
