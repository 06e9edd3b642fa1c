unset HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
set -eu; umask 077; mkdir -p /run/kanae; config=/run/kanae/kubeadm-phase.yaml
read -r now _ </proc/uptime; end=$((${now%.*} + 585))
mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 585 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }
cat >"$config"; trap 'rm -f "$config"' EXIT
said=$(kubeadm config validate --config "$config" 2>&1) || {
  rm -f "$config"
  printf '%s\n' "kubeadm config validate refuses the configuration:" "$said" >&2
  exit 65; }
echo >/var/lib/kanae/marks/restart-kube-proxy
kubeadm init phase addon kube-proxy --config "$config" >/dev/null
env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl -n kube-system rollout restart daemonset/kube-proxy >/dev/null
rm -f /var/lib/kanae/marks/restart-kube-proxy
