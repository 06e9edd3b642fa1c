there=$(env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl get -n kube-system deployments.apps/coredns -o name --ignore-not-found) || exit
[ -z "$there" ] || env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl rollout status -n kube-system deployments.apps/coredns --timeout=585s >/dev/null
