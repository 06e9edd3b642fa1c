umask 077; metrics=$(mktemp -p /run) || exit; trap 'rm -f "$metrics"' EXIT
env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl --server https://192.168.1.10:6443 --request-timeout=20s get --raw /metrics >"$metrics" || exit
grep '^apiserver_requested_deprecated_apis{' "$metrics" || [ $? = 1 ]
