set -eu; umask 077; mkdir -p /run/kanae /var/lib/kanae/snapshots
exec 9>/run/kanae/backup.lock; flock -w 30 9 || { echo "another backup is being made on this host" >&2; exit 75; }
trap 'rm -rf /var/lib/kanae/snapshots/taken' EXIT
trap 'exit 1' HUP INT TERM
rm -rf /var/lib/kanae/snapshots/taken; mkdir -p /var/lib/kanae/snapshots/taken
file=/var/lib/kanae/snapshots/taken/snapshot.db
nice -n 10 env NO_PROXY=* no_proxy=* etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key --command-timeout=900s --endpoints https://127.0.0.1:2379 snapshot save "$file" >/dev/null 2>/var/lib/kanae/snapshots/taken/log || { tail -n 20 /var/lib/kanae/snapshots/taken/log >&2; exit 1; }
status=$(nice -n 10 env NO_PROXY=* no_proxy=* etcdutl snapshot status "$file" -w json)
size=$(stat -c %s "$file")
sum=$(nice -n 10 sha256sum <"$file")
printf 'kanae-snapshot %s %s\n%s\n' "$size" "${sum%% *}" "$status"
cat "$file"
