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
tell_pods() {
  for pid in $(pods); do
    tell "process $pid ($(cat "/proc/$pid/comm" 2>/dev/null)) of a pod still runs"
  done
}
mkdir -p /run/kanae /var/lib/kanae/marks
exec 9>/run/kanae/kubeadm.lock; flock -w 120 9 || exit 75
touch /var/lib/kanae/marks/resetting
grep -ho '/netns/cni-[-0-9a-f]*' /run/containerd/io.containerd.runtime.v2.task/k8s.io/*/config.json 2>/dev/null | sed 's|.*/||' | sort -u >>/var/lib/kanae/network-namespaces
[ ! -f /etc/kubernetes/manifests/etcd.yaml ] || sed -n 's/^ *- --data-dir=//p' /etc/kubernetes/manifests/etcd.yaml >/var/lib/kanae/marks/etcd-data
systemctl disable -q --now kubelet.service 2>/dev/null
away /etc/kubernetes/manifests
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
! systemctl is-active -q kubelet.service || tell "kubelet.service still runs"
tell_pods
settled
