"""Taking a cluster off a host. Every script may run again after it was cut off half-way, and ends
with what is, not with what was tried: whatever of the cluster is left is said, and is a failure.
"""

from __future__ import annotations

from collections.abc import Sequence

from kanae.execute.scripts.belongings import (
    ADOPTED,
    FOREIGN,
    FUNCTIONS,
    OF_KUBELET,
    PODS,
    RECORD_ETCD_DATA,
    RECORD_NAMESPACES,
)
from kanae.execute.scripts.guarded import BUSY
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.actions import RemoveCluster, RemoveEtcd
from kanae.plan.etcd import OF_RESTORES
from kanae.render import shutdown
from kanae.resources.model import quote
from kanae.resources.system import SWAP_LINE

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
# What containerd mounts for its containers, below its folders.
_OF_CONTAINERD = (
    "io.containerd.runtime.v2.task",
    "io.containerd.grpc.v1.cri",
    "tmpmounts",
)


def stop_api_server() -> str:
    """Its manifest first, from which kubelet would start it again. Without containerd it either
    does not run, or ends when all of the node is stopped."""
    return f"""mkdir -p {at.RUN}
exec 9>{at.KUBEADM_LOCK}; flock -w 120 9 || exit {BUSY}
rm -f {at.MANIFESTS}/kube-apiserver.yaml
while ids=$(crictl ps -q --state running --name '^kube-apiserver$' 2>/dev/null) &&
  [ -n "$ids" ]
do
  crictl stop --timeout {shutdown.API_SERVER_SECONDS} $ids >/dev/null 2>&1 || sleep 0.3
done"""


def stop_node() -> str:
    """Kubelet first, which would start pods again; then pods, with containerd or without it."""
    return f"""{FUNCTIONS}{PODS}mkdir -p {at.RUN} {marks.FOLDER}
exec 9>{at.KUBEADM_LOCK}; flock -w 120 9 || exit {BUSY}
touch {marks.path(marks.RESETTING)}
{RECORD_NAMESPACES}
{RECORD_ETCD_DATA}
systemctl disable -q --now {units.KUBELET} 2>/dev/null
away {at.MANIFESTS}
end_pods
! systemctl is-active -q {units.KUBELET} || tell "{units.KUBELET} still runs"
settled"""


def remove_etcd(action: RemoveEtcd) -> str:
    """With what restores have put aside."""
    data = action.data.rpartition("/")[0]
    kept = " ".join(f"{quote(data)}/{begin}*" for begin in OF_RESTORES)
    return f"""{FUNCTIONS}systemctl disable -q --now {units.ETCD} 2>/dev/null
if systemctl is-active -q {units.ETCD}; then tell "{units.ETCD} still runs"; settled; fi
mkdir -p {marks.FOLDER}
printf '%s\n' {quote(data)} >{marks.path(marks.ETCD_DATA)}
away {quote(action.data)}
for kept in {kept}; do away "$kept"; done
settled"""


def remove_cluster(action: RemoveCluster) -> str:
    parts = [FUNCTIONS]
    if action.node:
        parts.append(PODS)
        if not action.keep_images:
            parts += [ADOPTED, FOREIGN + _namespace()]
    if action.units:
        parts.append(
            f"for unit in {quote(*action.units)}; do\n"
            # Theirs again: an earlier reset, which could not take everything away, has done so.
            f'  [ -e {at.UNITS}/$unit ] || ! kept "unit $unit" || continue\n'
            "  systemctl disable -q --now $unit 2>/dev/null\n"
            '  ! systemctl is-active -q $unit || tell "$unit still runs"\n'
            "done"
        )
    if action.node:
        parts.append(_node())
        if not action.keep_images:
            parts.append(_containerd())
    own = [path for path in action.files if path.startswith(f"{marks.FOLDER}/")]
    parts += _files(action, own)
    parts.append(_unmask(own))
    if own:
        parts.append(f'[ -n "$left" ] || rm -f {quote(*own)}')
    *trees, last = action.trees or ("",)
    parts += [f"away {quote(tree)}" for tree in trees]
    if action.node:
        parts.append("tell_pods")
    if action.node:
        parts.append(_swap())
    if action.node and not action.keep_images:
        parts.append(_restore())
    # The marks go last, and only when nothing is left: a host that has them is reset again.
    parts.append("settled")
    if last:
        parts.append(f"away {quote(last)}")
    parts.append(f"rmdir -p --ignore-fail-on-non-empty {at.KANAE} {at.UNITS}/{units.KUBELET}.d "
                 "2>/dev/null\nsettled")  # fmt: skip
    return "\n".join(parts)


def _files(action: RemoveCluster, own: Sequence[str]) -> list[str]:
    """All but the host's own marks. patterns: constants of ours, which the shell shall expand."""
    files = [path for path in action.files if path not in own]
    lines = [f'for path in {quote(*files)}; do rm -f -- "$path" || tell "$path stays"; done']
    if action.patterns:
        lines.append(
            f"for path in {' '.join(action.patterns)}; do "
            '! present "$path" || away "$path"; done\n'
            f"rmdir -p --ignore-fail-on-non-empty {at.CNI_STATE}/networks {at.CNI_STATE}/results "
            f"{at.CNI_CONF} {at.CNI_BIN} 2>/dev/null"
        )
    lines.append("systemctl daemon-reload; systemctl reset-failed 2>/dev/null")
    return lines


def _namespace() -> str:
    """Kubelet's namespace, where the rest of containerd is not ours to remove. Images go with their
    layers (--sync): containerd is stopped before it would collect them by itself."""
    return f"""others=
if foreign; then
  others=y
  systemctl start {units.CONTAINERD} 2>/dev/null
  if systemctl is-active -q {units.CONTAINERD}; then
    for kind in containers images; do
      [ $kind = containers ] && option= || option=--sync
      names=$(ctr -n k8s.io $kind ls -q 2>/dev/null)
      [ -z "$names" ] || ctr -n k8s.io $kind rm $option $names >/dev/null 2>&1
      [ -z "$(ctr -n k8s.io $kind ls -q 2>/dev/null)" ] || tell "$kind of k8s.io are left"
    done
  else
    tell "containerd does not start, and others have containers or images in it: see" \\
      "journalctl -u {units.CONTAINERD}"
  fi
fi"""


def _containerd() -> str:
    """containerd has stopped."""
    own = quote(*_OF_CONTAINERD)
    return f"""if [ -z "$others" ]; then
  for folder in {at.CONTAINERD_STATE} {at.CONTAINERD_RUN}; do
    release $folder {own}
    away $folder
  done
  away {at.CONTAINERD_REGISTRIES}
fi"""


def _unmask(own: Sequence[str]) -> str:
    """Units that kanae masked, when no other cluster needs it. They stay off, as its help says.
    Now, while the host still carries this cluster's marks: without them no reset would look again.
    """
    others = f"ls -d {marks.path(marks.MEMBER)}* 2>/dev/null"
    if members := [path for path in own if path.startswith(marks.path(marks.MEMBER))]:
        others += f" | grep -vxF {' '.join(f'-e {quote(path)}' for path in members)}"
    return f"""if [ -f {at.MASKED} ] && [ -z "$({others})" ]; then
  while read -r unit; do
    systemctl unmask -q "$unit"; systemctl disable -q "$unit" 2>/dev/null
  done <{at.MASKED}
  rm -f {at.MASKED}
fi"""


def _swap() -> str:
    """Swap that kanae turned off, see `kanae.resources.system.SwapOff`."""
    return f"""if grep -q '^{SWAP_LINE}' {at.FSTAB} 2>/dev/null; then
  sed -i 's/^{SWAP_LINE}//' {at.FSTAB} && rm -f {at.FSTAB}.kanae
  swapon -a 2>/dev/null || echo "swap that was on before kanae does not come back" >&2
fi"""


def _restore() -> str:
    """Files that kanae replaced, and units of theirs that were enabled: also where something of the
    cluster is left, for they have nothing to do with that. The copies go with the marks: a reset
    that is cut off in between begins again."""
    return f"""if [ -d {at.FOUND_FILES} ]; then
  (cd {at.FOUND_FILES} && find . ! -type d) | while read -r path; do
    mkdir -p -- "/${{path%/*}}" && cp -a -- "{at.FOUND_FILES}/$path" "/$path"
  done
  systemctl daemon-reload
fi
for unit in $(sed -n 's/^unit //p' {at.FOUND_LIST} 2>/dev/null); do
  systemctl enable -q --now "$unit" 2>/dev/null ||
    echo "$unit, which was there before kanae, does not start" >&2
done"""


def _node() -> str:
    """What kubelet, kube-proxy and the pod network leave behind when they have stopped."""
    return f"""release {at.KUBELET_STATE} {quote(*OF_KUBELET)}
for folder in {at.KUBELET_STATE} /run/flannel /run/kubernetes /var/log/pods /var/log/containers; do
  away $folder
done
for link in $(ip -o link show master cni0 2>/dev/null | sed -n 's/^[0-9]*: \\([^@:]*\\).*/\\1/p') \
  {" ".join(LINKS)}
do ip link delete "$link" 2>/dev/null; done
for link in {" ".join(LINKS)}; do
  [ ! -e "/sys/class/net/$link" ] || tell "the network link $link is left"
done
if [ -f {at.NETWORK_NAMESPACES} ]; then
  while read -r name; do ip netns delete "$name" 2>/dev/null; done <{at.NETWORK_NAMESPACES}
fi
if command -v nft >/dev/null; then
  {"; ".join(f"nft delete table {table} 2>/dev/null" for table in TABLES)}
fi
for tables in iptables ip6tables; do
  command -v $tables-save >/dev/null || continue
  rules=$($tables-save 2>/dev/null)
  case $rules in *KUBE-*|*FLANNEL-*|*WEAVE*|*CNI-*)
    printf '%s\\n' "$rules" | {_OTHER_RULES} | $tables-restore ;;
  esac
done"""


# Rules of others, by the networks that CNI's plugins name in their comments: chains of podman's or
# nerdctl's networks stay, with the ones that all networks share.
_OTHER_RULES = """awk '
  { line[NR] = $0 }
  /^-A/ && match($0, /name: \\\\?"[^"\\\\]*/) {
    network = substr($0, RSTART, RLENGTH); sub(/.*"/, "", network)
    chain = ""; for (i = 1; i < NF; i++) if ($i == "-j") chain = $(i + 1)
    if (network == "cbr0" || network == "weave") { if (chain ~ /^CNI-/) ours[chain] }
    else others = 1
  }
  END {
    for (n = 1; n <= NR; n++) {
      drop = line[n] ~ /KUBE-|FLANNEL-|WEAVE/ || (!others && line[n] ~ /CNI-/)
      for (chain in ours) if (index(line[n], chain)) drop = 1
      if (!drop) print line[n]
    }
  }'"""
