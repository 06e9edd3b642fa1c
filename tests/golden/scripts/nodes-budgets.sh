env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl --request-timeout=10s get poddisruptionbudgets -A -o json
