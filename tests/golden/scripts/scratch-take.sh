set -eu; umask 077
file=/var/lib/kanae/scratch/snapshot.db
env NO_PROXY=* no_proxy=* etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key --endpoints https://127.0.0.1:2376 --command-timeout=30m snapshot save "$file" >/dev/null 2>&1
status=$(nice -n 10 env NO_PROXY=* no_proxy=* etcdutl snapshot status "$file" -w json)
size=$(stat -c %s "$file")
sum=$(nice -n 10 sha256sum <"$file")
printf 'kanae-snapshot %s %s\n%s\n' "$size" "${sum%% *}" "$status"
cat "$file"
