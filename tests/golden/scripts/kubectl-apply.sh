env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl apply --server-side --field-manager=kanae --force-conflicts -f - >/dev/null
