"""Taking a cluster off a host. Every script may run again after it was cut off half-way."""

from __future__ import annotations

from kanae.execute.scripts.guarded import BUSY
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.actions import RemoveCluster, RemoveEtcd
from kanae.resources.model import quote

# Links that kube-proxy, flannel, Weave Net and the bridge plugin make.
LINKS = ("flannel.1", "flannel-v6.1", "cni0", "kube-ipvs0", "weave", "vxlan-6784")
# Tables of nftables that belong to kube-proxy, flannel and kanae alone.
TABLES = (
    "ip kube-proxy",
    "ip6 kube-proxy",
    "ip flannel-ipv4",
    "ip6 flannel-ipv6",
    "inet kanae_gate",
    "inet kanae_etcd",
)


def stop_node() -> str:
    return f"""mkdir -p {at.RUN} {marks.FOLDER}
exec 9>{at.KUBEADM_LOCK}; flock -w 120 9 || exit {BUSY}
touch {marks.path(marks.RESETTING)}
systemctl disable -q --now {units.KUBELET} 2>/dev/null
rm -rf {at.MANIFESTS}
if systemctl is-active -q {units.CONTAINERD}; then
  timeout -k 5 60 crictl rmp -fa >/dev/null 2>&1
  for task in $(ctr -n k8s.io tasks ls -q 2>/dev/null); do
    ctr -n k8s.io tasks kill -s KILL "$task" >/dev/null 2>&1
  done
fi
! systemctl is-active -q {units.KUBELET}"""


def remove_etcd(action: RemoveEtcd) -> str:
    return (
        f"systemctl disable -q --now {units.ETCD} 2>/dev/null\n"
        f"! systemctl is-active -q {units.ETCD} && rm -rf {quote(action.data)}"
    )


def remove_cluster(action: RemoveCluster) -> str:
    lines: list[str] = []
    if action.node and not action.keep_images:
        lines += [
            "for name in $(ctr -n k8s.io containers ls -q 2>/dev/null); do "
            'ctr -n k8s.io containers rm "$name" >/dev/null 2>&1; done',
        ]
    if action.units:
        names = quote(*action.units)
        lines.append(f"for unit in {names}; do systemctl disable -q --now $unit 2>/dev/null; done")
    if action.node:
        lines.append(_node())
        if not action.keep_images:
            lines.append("rm -rf /var/lib/containerd/* /run/containerd /etc/containerd/certs.d")
    lines.append(f"rm -f {quote(*action.files)}")
    lines.append("systemctl daemon-reload; systemctl reset-failed 2>/dev/null")
    lines += [f"rm -rf {quote(tree)}" for tree in action.trees]
    lines.append(f"rmdir -p --ignore-fail-on-non-empty {at.KANAE} {at.UNITS}/{units.KUBELET}.d "
                 "2>/dev/null; true")  # fmt: skip
    return "\n".join(lines)


def _node() -> str:
    """What kubelet, kube-proxy and the pod network leave behind when they have stopped."""
    return f"""
awk '$2 ~ "^{at.KUBELET_STATE}/" {{ print $2 }}' /proc/mounts | sort -r |
  while read -r mount; do umount -l "$mount"; done
rm -rf {at.KUBELET_STATE}/* /run/flannel /run/kubernetes /var/log/pods /var/log/containers
for link in $(ip -o link show master cni0 2>/dev/null | sed -n 's/^[0-9]*: \\([^@:]*\\).*/\\1/p') \
  {" ".join(LINKS)}
do ip link delete "$link" 2>/dev/null; done
for name in $(ip netns list 2>/dev/null | sed -n 's/^\\(cni-[-0-9a-f]*\\).*/\\1/p'); do
  ip netns delete "$name" 2>/dev/null
done
if command -v nft >/dev/null; then
  {"; ".join(f"nft delete table {table} 2>/dev/null" for table in TABLES)}
fi
for tables in iptables ip6tables; do
  command -v $tables-save >/dev/null || continue
  rules=$($tables-save 2>/dev/null)
  case $rules in *KUBE-*|*FLANNEL-*|*CNI-*)
    printf '%s\\n' "$rules" | grep -vE 'KUBE-|FLANNEL-|CNI-' | $tables-restore ;;
  esac
done"""
