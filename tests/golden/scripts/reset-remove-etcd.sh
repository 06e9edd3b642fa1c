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
systemctl disable -q --now etcd.service 2>/dev/null
if systemctl is-active -q etcd.service; then tell "etcd.service still runs"; settled; fi
mkdir -p /var/lib/kanae/marks
printf '%s
' /var/lib/etcd >/var/lib/kanae/marks/etcd-data
away /var/lib/etcd/member
for kept in /var/lib/etcd/kanae-before-* /var/lib/etcd/kanae-restored-*; do away "$kept"; done
settled
