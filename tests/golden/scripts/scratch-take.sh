set -eu; umask 077
env NO_PROXY=* no_proxy=* etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key --endpoints https://127.0.0.1:2376 --command-timeout=30m snapshot save /var/lib/kanae/scratch/snapshot.db >/dev/null 2>&1
status=$(env NO_PROXY=* no_proxy=* etcdutl snapshot status /var/lib/kanae/scratch/snapshot.db -w json)
revision=$(printf '%s' "$status" | sed -n 's/.*"revision":\([0-9]*\).*/\1/p')
size=$(stat -c %s /var/lib/kanae/scratch/snapshot.db)
sum=$(sha256sum </var/lib/kanae/scratch/snapshot.db)
printf 'kanae-snapshot %s %s %s\n' "$size" "${sum%% *}" "$revision"
cat /var/lib/kanae/scratch/snapshot.db
