set -eu; umask 077; mkdir -p /run/kanae; config=/run/kanae/kubeadm-phase.yaml
cat >"$config"; trap 'rm -f "$config"' EXIT
exec 9>/run/kanae/kubeadm.lock; flock -w 120 9
manifest=/etc/kubernetes/manifests/kube-apiserver.yaml
before=$(cat "$manifest" 2>/dev/null | sha256sum); old=$(crictl ps -q --state running --name '^kube-apiserver$' 2>/dev/null | head -n 1)
kubeadm init phase certs apiserver --config "$config" >/dev/null 2>&1 || {
  rm -f /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/apiserver.key
  kubeadm init phase certs apiserver --config "$config" >/dev/null; }
kubeadm init phase control-plane all --config "$config" >/dev/null
if [ "$before" != "$(sha256sum <"$manifest")" ]; then
  for turn in $(seq 600); do
    new=$(crictl ps -q --state running --name '^kube-apiserver$' 2>/dev/null | head -n 1)
    if [ -n "$new" ] && [ "$new" != "$old" ] &&
      kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl --server https://192.168.1.10:6443 --request-timeout=2s get --raw /readyz >/dev/null 2>&1
    then break; fi
    [ "$turn" -lt 600 ] || { crictl ps -a --name kube-apiserver >&2; exit 1; }
    sleep 0.3
  done
fi
sha256sum /etc/kubernetes/manifests/*.yaml >/var/lib/kanae/marks/manifests.new
mv -f /var/lib/kanae/marks/manifests.new /var/lib/kanae/marks/manifests
echo ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff >/var/lib/kanae/marks/joined
