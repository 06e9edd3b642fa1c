env NO_PROXY=* no_proxy=* /usr/local/bin/kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl --server https://10.0.0.9:6440 --request-timeout=3s get --raw /readyz 2>&1
