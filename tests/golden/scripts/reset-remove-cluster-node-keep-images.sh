LC_ALL=C; export LC_ALL
left=
tell() { echo "$*" >&2; left=y; }
settled() { [ -z "$left" ] || exit 1; }
for needed in awk readlink sed sort; do
  command -v $needed >/dev/null || tell "$needed is not there"
done
read -r _ </proc/self/mountinfo || tell "which file systems are mounted cannot be read"
settled
kept() { grep -qxF -e "$1" /var/lib/kanae/found/list 2>/dev/null; }
below() {
  inside=$(printf '%s/' "${1%/}" | sed 's/\\/\\134/g; s/ /\\040/g')
  while read -r _ _ _ _ point _; do
    case $point in "$inside"*) printf '%s\n' "$point" ;; esac
  done </proc/self/mountinfo | sort -r
}
release() {
  folder=$(readlink -f -- "$1") || return 0; shift
  for turn in 1 2 3 4 5 6 7 8 9 10; do
    busy=
    for point in $(below "$folder"); do
      for own; do
        case $point in "$folder/$own"/*) ;; *) continue ;; esac
        point=$(printf '%b' "$point") lazy=
        [ "$turn$(stat -f -c %T -- "$point" 2>/dev/null)" != 10tmpfs ] || lazy=-l
        umount $lazy -- "$point" 2>/dev/null || busy=y
      done
    done
    [ -n "$busy" ] || return 0
    sleep 0.3
  done
}
present() { { [ -e "$1" ] || [ -L "$1" ]; } && ! kept "$1"; }
away() {
  if [ -L "$1" ] && [ ! -d "$1" ]; then rm -f -- "$1"; return; fi
  [ -e "$1" ] || return 0
  real=$(readlink -f -- "$1")
  mounts=$(below "$real")
  if [ -n "$mounts" ]; then
    tell "$1 stays: mounted in it, and not for a pod or still in use:" $mounts
    return 0
  fi
  if [ -d "$real" ]; then
    rest=
    for entry in "$1/"* "$1/".[!.]* "$1/"..?*; do
      present "$entry" || continue
      rm -rf --one-file-system -- "$entry" || :
      ! present "$entry" || rest="$rest ${entry##*/}"
    done
    [ -z "$rest" ] || tell "$1 stays, with$rest"
    [ -L "$1" ] || rmdir -- "$1" 2>/dev/null || :
  else
    rm -f -- "$1" || tell "$1 stays"
  fi
}

pods() {
  roots=$(grep -lE ':/kubepods(\.slice)?/' /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3
    for pid in $(grep -lzxF k8s.io /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3); do
      [ "/proc/$pid/root/." -ef / ] || continue
      [ "$(readlink "/proc/$pid/ns/pid")" = "$(readlink /proc/self/ns/pid)" ] || continue
      case "$(tr '\0' ' ' <"/proc/$pid/cmdline")" in
        *containerd-shim*' -namespace k8s.io '*'-address /run/containerd/containerd.sock '*) echo "$pid" ;;
      esac 2>/dev/null
    done)
  [ -n "$roots" ] || return 0
  cat /proc/[0-9]*/status 2>/dev/null | awk -v roots="$(echo $roots)" '
    /^State:/ { state = $2 }
    /^Pid:/ { pid = $2; dead[pid] = state == "Z" }
    /^PPid:/ { parent[pid] = $2 }
    END {
      n = split(roots, root, " ")
      for (i = 1; i <= n; i++) if (root[i] in parent) ours[root[i]]
      do {
        more = 0
        for (pid in parent) if (!(pid in ours) && parent[pid] in ours) { ours[pid]; more = 1 }
      } while (more)
      for (pid in ours) if (!dead[pid]) print pid
    }'
}
end_pods() {
  if systemctl is-active -q containerd.service; then
    timeout -k 5 60 crictl rmp -fa >/dev/null 2>&1
    for task in $(ctr -n k8s.io tasks ls -q 2>/dev/null); do
      ctr -n k8s.io tasks kill -s KILL "$task" >/dev/null 2>&1
    done
  fi
  for turn in $(seq 50); do
    running=$(pods)
    [ -n "$running" ] || break
    kill -s KILL $running 2>/dev/null
    sleep 0.2
  done
  tell_pods
}
tell_pods() {
  for pid in $(pods); do
    tell "process $pid ($(cat "/proc/$pid/comm" 2>/dev/null)) of a pod still runs"
  done
}

for unit in kubelet.service containerd.service; do
  [ -e /etc/systemd/system/$unit ] || ! kept "unit $unit" || continue
  systemctl disable -q --now $unit 2>/dev/null
  ! systemctl is-active -q $unit || tell "$unit still runs"
done
release /var/lib/kubelet pods plugins
for folder in /var/lib/kubelet /run/flannel /run/kubernetes /var/log/pods /var/log/containers; do
  away $folder
done
for link in $(ip -o link show master cni0 2>/dev/null | sed -n 's/^[0-9]*: \([^@:]*\).*/\1/p')   flannel.1 flannel-v6.1 cni0 kube-ipvs0 weave vxlan-6784
do ip link delete "$link" 2>/dev/null; done
for link in flannel.1 flannel-v6.1 cni0 kube-ipvs0 weave vxlan-6784; do
  [ ! -e "/sys/class/net/$link" ] || tell "the network link $link is left"
done
if [ -f /var/lib/kanae/network-namespaces ]; then
  while read -r name; do ip netns delete "$name" 2>/dev/null; done </var/lib/kanae/network-namespaces
fi
if command -v nft >/dev/null; then
  nft delete table ip kube-proxy 2>/dev/null; nft delete table ip6 kube-proxy 2>/dev/null; nft delete table ip flannel-ipv4 2>/dev/null; nft delete table ip6 flannel-ipv6 2>/dev/null; nft delete table inet kanae_gate 2>/dev/null; nft delete table inet kanae_etcd 2>/dev/null
fi
for tables in iptables ip6tables; do
  command -v $tables-save >/dev/null || continue
  rules=$($tables-save 2>/dev/null)
  case $rules in *KUBE-*|*FLANNEL-*|*WEAVE*|*CNI-*)
    printf '%s\n' "$rules" | awk '
  { line[NR] = $0 }
  /^-A/ && match($0, /name: \\?"[^"\\]*/) {
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
  }' | $tables-restore ;;
  esac
done
for path in /etc/systemd/system/kubelet.service /etc/sysctl.d/90-kanae.conf; do rm -f -- "$path" || tell "$path stays"; done
systemctl daemon-reload; systemctl reset-failed 2>/dev/null
if [ -f /var/lib/kanae/masked ] && [ -z "$(ls -d /var/lib/kanae/marks/cluster-* 2>/dev/null)" ]; then
  while read -r unit; do
    systemctl unmask -q "$unit"; systemctl disable -q "$unit" 2>/dev/null
  done </var/lib/kanae/masked
  rm -f /var/lib/kanae/masked
fi
away /etc/kubernetes
tell_pods
if grep -q '^# kanae: ' /etc/fstab 2>/dev/null; then
  sed -i 's/^# kanae: //' /etc/fstab && rm -f /etc/fstab.kanae
  swapon -a 2>/dev/null || echo "swap that was on before kanae does not come back" >&2
fi
settled
away /var/lib/kanae
rmdir -p --ignore-fail-on-non-empty /etc/kanae /etc/systemd/system/kubelet.service.d 2>/dev/null
settled
