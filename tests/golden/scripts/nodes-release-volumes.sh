node=$(env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl get node w1 -o name --ignore-not-found) || exit
[ -n "$node" ] || { echo no-such-node; exit 0; }
env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl taint node w1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute --overwrite >/dev/null
