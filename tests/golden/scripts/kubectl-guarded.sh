for server in https://192.168.1.10:6443 https://192.168.1.11:6443; do
  said=$(printf '%s' '{"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "kubernetes", "namespace": "default"}}' | env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl --server "$server" --request-timeout=3s --as system:apiserver --as-group system:masters apply --server-side --field-manager=kanae --force-conflicts --dry-run=server -f - 2>&1)
  case $said in *"'kanae-kubernetes-service'"*) ;; *) printf '%s: %s' "$server" "$said"; exit 1 ;; esac
done
