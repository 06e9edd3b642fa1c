env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl delete node w1 --ignore-not-found --timeout=30s || exit
env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl delete pods -A --field-selector spec.nodeName=w1 --ignore-not-found --force --grace-period=0 --wait=false 2>&1
