env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl delete --ignore-not-found services/a nodes/b >/dev/null
