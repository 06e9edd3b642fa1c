unset HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
set -eu; umask 077; mkdir -p /run/kanae; config=/run/kanae/kubeadm-phase.yaml
read -r now _ </proc/uptime; end=$((${now%.*} + 585))
mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 585 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }
cat >"$config"; trap 'rm -f "$config"' EXIT
said=$(kubeadm config validate --config "$config" 2>&1) || {
  rm -f "$config"
  printf '%s\n' "kubeadm config validate refuses the configuration:" "$said" >&2
  exit 65; }
manifest=/etc/kubernetes/manifests/kube-apiserver.yaml
before=$(cat "$manifest" 2>/dev/null | sha256sum); old=$(crictl ps -q --state running --name '^kube-apiserver$' 2>/dev/null | head -n 1)
echo changing >/var/lib/kanae/marks/joined
made=/etc/kubernetes/pki/apiserver.new; rm -rf "$made"; mkdir "$made"
ln -s /etc/kubernetes/pki/ca.crt /etc/kubernetes/pki/ca.key "$made"
sed "s|^kind: ClusterConfiguration$|&\ncertificatesDir: $made|" "$config" >"$made/config"
kubeadm init phase certs apiserver --config "$made/config" >/dev/null
sync -- "$made/apiserver.key" "$made/apiserver.crt"
mv -f "$made/apiserver.key" "$made/apiserver.crt" /etc/kubernetes/pki
rm -rf "$made"
kubeadm init phase control-plane all --config "$config" >/dev/null
if [ "$before" != "$(sha256sum <"$manifest")" ]; then
  while
    new=$(crictl ps -q --state running --name '^kube-apiserver$' 2>/dev/null | head -n 1)
    [ -z "$new" ] || [ "$new" = "$old" ] ||
      ! env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl --server https://192.168.1.10:6443 --request-timeout=2s get --raw /readyz >/dev/null 2>&1
  do
    [ "$(read -r now _ </proc/uptime; echo $((end - ${now%.*})))" -gt 0 ] || {
      crictl ps -a --name kube-apiserver >&2
      echo "the new API server is not ready" >&2
      exit 1; }
    sleep 0.3
  done
fi
sha256sum /etc/kubernetes/manifests/*.yaml >/var/lib/kanae/marks/manifests.new
mv -f /var/lib/kanae/marks/manifests.new /var/lib/kanae/marks/manifests
rm -f /var/lib/kanae/marks/upgrading
echo ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff >/var/lib/kanae/marks/joined
