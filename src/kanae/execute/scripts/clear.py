"""Taking away what an interrupted join left."""

from __future__ import annotations

from kanae.execute.scripts.belongings import FUNCTIONS, OF_KUBELET, PODS
from kanae.execute.scripts.guarded import locked
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.actions import ClearNode
from kanae.resources.model import quote

# Marks that speak of the join.
FORGOTTEN = (marks.JOINED, marks.MANIFESTS, marks.KUBELET)


def host(action: ClearNode, limit: float) -> str:
    """On the host itself. Certificates stay, and so does what is not of the join: `kubeadm reset`
    would unmount and empty whatever is in kubelet's folder.

    What tells of the join goes before all of it has gone, so a mark tells until then. limit:
    seconds for its turn.
    """
    lines = [
        f"{FUNCTIONS}{PODS}{locked(limit)}",
        f"touch {marks.path(marks.CLEARING)} || exit",
        # 5: not known to systemd.
        f"systemctl stop {units.KUBELET} || [ $? = 5 ] || exit",
        f"away {at.MANIFESTS}",
        "end_pods",
        f"release {at.KUBELET_STATE} {quote(*OF_KUBELET)}",
        f"away {at.KUBELET_STATE}",
        f'for path in {at.KUBERNETES}/*.conf; do ! present "$path" || away "$path"; done',
        f"rm -f {' '.join(map(marks.path, FORGOTTEN))}",
    ]
    if not action.control_plane:
        lines.append(f"rm -f {at.PKI}/ca.crt")
    if action.etcd_member:
        lines.append(f"away {quote(action.data_dir)}/member")
    lines.append(f"settled; rm -f {marks.path(marks.CLEARING)}")
    return "\n".join(lines)
