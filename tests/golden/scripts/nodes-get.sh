env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl --request-timeout=10s get node w1 -o json --ignore-not-found
