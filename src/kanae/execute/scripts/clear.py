"""Taking away what an interrupted join left."""

from __future__ import annotations

from kanae.execute.scripts.guarded import locked
from kanae.execute.scripts.programs import ETCDCTL, KUBECTL
from kanae.layout import marks, ports
from kanae.layout import paths as at
from kanae.plan.actions import ClearNode
from kanae.resources.model import quote


def member(peer: str) -> str:
    """On a host that has joined: the stacked member with this peer URL leaves the cluster."""
    etcdctl = f"{ETCDCTL} --endpoints https://127.0.0.1:{ports.ETCD_CLIENT}"
    return (
        f"id=$({etcdctl} member list | grep -F {quote(peer)} | cut -d, -f1)\n"
        f'[ -z "$id" ] || {etcdctl} member remove "$id"'
    )


def node(name: str) -> str:
    """On a host that has joined: the Node object goes."""
    return f"{KUBECTL} delete node {quote(name)} --ignore-not-found --timeout=30s"


def host(action: ClearNode, limit: float) -> str:
    """On the host itself. Certificates stay: `kubeadm reset` is shown a folder without any.

    limit: seconds for its turn.
    """
    wipe = f"rm -rf {quote(action.data_dir)}/member" if action.etcd_member else ""
    return f"""{locked(limit)}
systemctl stop kubelet
kubeadm reset -f --skip-phases=preflight,remove-etcd-member --cert-dir {at.RUN}/no-certificates \
--cri-socket {at.CRI_SOCKET} >/dev/null 2>&1 9>&- || true
rm -rf {at.MANIFESTS} {at.KUBERNETES}/*.conf
rm -f {" ".join(map(marks.path, (marks.JOINED, marks.MANIFESTS, marks.KUBELET)))}
{wipe}"""
