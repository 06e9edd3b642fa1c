"""Taking away what an interrupted join left."""

from __future__ import annotations

from kanae.execute.scripts.guarded import locked
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.actions import ClearNode
from kanae.resources.model import quote

# Marks that speak of the join.
FORGOTTEN = (marks.JOINED, marks.MANIFESTS, marks.KUBELET)


def host(action: ClearNode, limit: float) -> str:
    """On the host itself. Certificates stay: `kubeadm reset` is shown a folder without any.

    What tells of the join goes before all of it has gone, so a mark tells until then. limit:
    seconds for its turn.
    """
    lines = [
        f"set -e; {locked(limit)}",
        f"touch {marks.path(marks.CLEARING)}",
        # 5: not known to systemd.
        f"systemctl stop {units.KUBELET} || [ $? = 5 ]",
        "kubeadm reset -f --skip-phases=preflight,remove-etcd-member"
        f" --cert-dir {at.RUN}/no-certificates --cri-socket {at.CRI_SOCKET}"
        " >/dev/null 2>&1 9>&- || true",
        f"rm -rf {at.MANIFESTS} {at.KUBERNETES}/*.conf",
        f"rm -f {' '.join(map(marks.path, FORGOTTEN))}",
    ]
    if not action.control_plane:
        lines.append(f"rm -f {at.PKI}/ca.crt")
    if action.etcd_member:
        lines.append(f"rm -rf {quote(action.data_dir)}/member")
    lines.append(f"rm -f {marks.path(marks.CLEARING)}")
    return "\n".join(lines)
