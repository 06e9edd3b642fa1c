unset HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
set -eu; umask 077; mkdir -p /run/kanae; config=/run/kanae/kubeadm-phase.yaml
read -r now _ </proc/uptime; end=$((${now%.*} + 585))
mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 585 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }
cat >"$config"; trap 'rm -f "$config"' EXIT
said=$(kubeadm config validate --config "$config" 2>&1) || {
  rm -f "$config"
  printf '%s\n' "kubeadm config validate refuses the configuration:" "$said" >&2
  exit 65; }
kubeadm init phase upload-config all --config "$config" >/dev/null
