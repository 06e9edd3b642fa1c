when=$(date -u -d '+30 minutes' +%Y-%m-%dT%H:%M:%SZ)
sed "s/@EXPIRATION@/$when/" | env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl create -f - >/dev/null
