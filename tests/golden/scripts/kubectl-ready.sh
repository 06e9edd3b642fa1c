env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl --server https://192.168.1.10:6443 --request-timeout=3s get --raw /readyz 2>&1
