set -eu; umask 077
[ "$(cat /var/lib/etcd/member/kanae-attempt 2>/dev/null)" != abababababababab-1 ] || exit 0
[ "$(cat /var/lib/etcd/kanae-restored-abababababababab-1/member/kanae-attempt 2>/dev/null)" = abababababababab-1 ] || {
  echo "/var/lib/etcd/kanae-restored-abababababababab-1 is not there: the restored data has not been made ready" >&2; exit 1; }
if systemctl is-active -q etcd.service ||
  [ -n "$(crictl ps -q --state running --name '^etcd$' 2>/dev/null)" ]
then
  echo "etcd runs here again: its data is not replaced" >&2; exit 1
fi
if [ -e /var/lib/etcd/member ]; then
  [ ! -e /var/lib/etcd/kanae-before-abababababababab-1/member ] || {
    echo "/var/lib/etcd/kanae-before-abababababababab-1 is there already, and etcd has got other data since" >&2; exit 1; }
  mkdir -p /var/lib/etcd/kanae-before-abababababababab-1
  mv -T -- /var/lib/etcd/member /var/lib/etcd/kanae-before-abababababababab-1/member
fi
mv -T -- /var/lib/etcd/kanae-restored-abababababababab-1/member /var/lib/etcd/member
rmdir -- /var/lib/etcd/kanae-restored-abababababababab-1
sync -f -- /var/lib/etcd
