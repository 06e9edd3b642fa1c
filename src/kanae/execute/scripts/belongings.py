"""Shell functions by which a reset takes away what is the cluster's, and nothing else."""

from __future__ import annotations

from kanae.layout import marks, units
from kanae.layout import paths as at

# `tell` says what is left on the host; `settled` ends the script with what was told.
#
# `below` prints the mount points below a folder, deepest first, as /proc/self/mountinfo spells
# them (a space is \040). `release` unmounts those whose path begins with one of further words:
# volumes that kubelet and containerd mounted for pods. Not lazily, so that what somebody uses stays
# and is told of; a file system that lives in memory alone has nothing that could be lost.
#
# `away` removes a path with all in it but what was there before kanae, listed in a file. Never
# through a mount: not one below it, and none of which another file system tells. A link to a folder
# stays, and so does a folder that is a mount point; they were made by whoever laid out the disks.
FUNCTIONS = f"""LC_ALL=C; export LC_ALL
left=
tell() {{ echo "$*" >&2; left=y; }}
settled() {{ [ -z "$left" ] || exit 1; }}
for needed in awk readlink sed sort; do
  command -v $needed >/dev/null || tell "$needed is not there"
done
read -r _ </proc/self/mountinfo || tell "which file systems are mounted cannot be read"
settled
kept() {{ grep -qxF -e "$1" {at.FOUND_LIST} 2>/dev/null; }}
below() {{
  inside=$(printf '%s/' "${{1%/}}" | sed 's/\\\\/\\\\134/g; s/ /\\\\040/g')
  while read -r _ _ _ _ point _; do
    case $point in "$inside"*) printf '%s\\n' "$point" ;; esac
  done </proc/self/mountinfo | sort -r
}}
release() {{
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
}}
present() {{ {{ [ -e "$1" ] || [ -L "$1" ]; }} && ! kept "$1"; }}
away() {{
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
      ! present "$entry" || rest="$rest ${{entry##*/}}"
    done
    [ -z "$rest" ] || tell "$1 stays, with$rest"
    [ -L "$1" ] || rmdir -- "$1" 2>/dev/null || :
  else
    rm -f -- "$1" || tell "$1 stays"
  fi
}}
"""

# `pods` prints the ids of all processes of pods: those in kubelet's cgroups, and containerd's shims
# of the namespace k8s.io with all that descends from them, whether or not containerd runs. Those of
# a cluster in a container of this host are not among them: their cgroups do not begin at the root,
# and they have a process namespace and a root of their own. A zombie has ended. `end_pods` ends
# them, containerd's own way first, after kubelet, which would start them again.
PODS = f"""pods() {{
  roots=$(grep -lE ':/kubepods(\\.slice)?/' /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3
    for pid in $(grep -lzxF k8s.io /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3); do
      [ "/proc/$pid/root/." -ef / ] || continue
      [ "$(readlink "/proc/$pid/ns/pid")" = "$(readlink /proc/self/ns/pid)" ] || continue
      case "$(tr '\\0' ' ' <"/proc/$pid/cmdline")" in
        *containerd-shim*' -namespace k8s.io '*'-address {at.CONTAINERD_SOCKET} '*) echo "$pid" ;;
      esac 2>/dev/null
    done)
  [ -n "$roots" ] || return 0
  cat /proc/[0-9]*/status 2>/dev/null | awk -v roots="$(echo $roots)" '
    /^State:/ {{ state = $2 }}
    /^Pid:/ {{ pid = $2; dead[pid] = state == "Z" }}
    /^PPid:/ {{ parent[pid] = $2 }}
    END {{
      n = split(roots, root, " ")
      for (i = 1; i <= n; i++) if (root[i] in parent) ours[root[i]]
      do {{
        more = 0
        for (pid in parent) if (!(pid in ours) && parent[pid] in ours) {{ ours[pid]; more = 1 }}
      }} while (more)
      for (pid in ours) if (!dead[pid]) print pid
    }}'
}}
end_pods() {{
  if systemctl is-active -q {units.CONTAINERD}; then
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
}}
tell_pods() {{
  for pid in $(pods); do
    tell "process $pid ($(cat "/proc/$pid/comm" 2>/dev/null)) of a pod still runs"
  done
}}
"""

# Where others have a namespace in containerd, or had something in its folder before kanae, only
# kubelet's namespace goes.
FOREIGN = f"""foreign() {{
  ! grep -q '^{at.CONTAINERD_STATE}/' {at.FOUND_LIST} 2>/dev/null || return 0
  {{
    ctr namespaces ls -q 2>/dev/null
    ls {at.CONTAINERD_STATE}/io.containerd.runtime.v2.task 2>/dev/null
    ls {at.CONTAINERD_RUN}/io.containerd.runtime.v2.task 2>/dev/null
  }} | grep -qvx k8s.io
}}
"""

# Containers that others have started in kanae's containerd. The one that was there before, an older
# one as a rule, does not know how to speak with them (the file bootstrap.json beside
# shim-binary-path): they would run on, and nobody could stop or enter them.
ADOPTED = f"""for bundle in {at.CONTAINERD_RUN}/io.containerd.runtime.v2.task/*/*; do
  case $bundle in */k8s.io/*) continue ;; esac
  ! grep -qs '^{at.BIN}/' "$bundle/shim-binary-path" ||
    tell "a container that kanae's containerd has started for others would be cut loose:" \\
      "${{bundle#*.task/}}; stop it (docker stop, nerdctl stop), and start it again afterwards"
done
settled"""

# What kubelet mounts for pods and their volumes, below its folder.
OF_KUBELET = ("pods", "plugins")

# Where CNI's network namespaces of pods are named: in what containerd wrote for runc.
RECORD_NAMESPACES = (
    f"grep -ho '/netns/cni-[-0-9a-f]*' {at.CONTAINERD_RUN}/io.containerd.runtime.v2.task/k8s.io/"
    f"*/config.json 2>/dev/null | sed 's|.*/||' | sort -u >>{at.NETWORK_NAMESPACES}"
)
RECORD_ETCD_DATA = (
    f"[ ! -f {at.ETCD_MANIFEST} ] || sed -n 's/^ *- --data-dir=//p' {at.ETCD_MANIFEST} "
    f">{marks.path(marks.ETCD_DATA)}"
)
