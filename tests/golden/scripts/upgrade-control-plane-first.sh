set -eu
umask 077
mkdir -p /run/kanae /var/lib/kanae/log /var/lib/kanae/marks
config=/run/kanae/kubeadm-upgrade.yaml log=/var/lib/kanae/log/kubeadm-upgrade.log mark=/var/lib/kanae/marks/joined
read -r now _ </proc/uptime; end=$((${now%.*} + 585))
mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 585 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }
if [ "$(cat /var/lib/kanae/marks/joined 2>/dev/null)" = ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff ]; then cat >/dev/null; echo already-done; exit 0; fi
cat >"$config"
touch /var/lib/kanae/marks/upgrading
echo changing >/var/lib/kanae/marks/joined
made=/etc/kubernetes/pki/apiserver.new; rm -rf "$made"; mkdir "$made"
ln -s /etc/kubernetes/pki/ca.crt /etc/kubernetes/pki/ca.key "$made"
sed "s|^kind: ClusterConfiguration$|&\ncertificatesDir: $made|" "$config" >"$made/config"
kubeadm init phase certs apiserver --config "$made/config" >/dev/null
sync -- "$made/apiserver.key" "$made/apiserver.crt"
mv -f "$made/apiserver.key" "$made/apiserver.crt" /etc/kubernetes/pki
rm -rf "$made"
status=0 limit=$(read -r now _ </proc/uptime; echo $((end - ${now%.*})))
[ "$limit" -gt 0 ] || limit=1
env -u KANAE_RUN setsid --wait sh -c 'unset HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
config=$1 log=$2 mark=$3 limit=$4
timeout --kill-after=10 "$limit" kubeadm upgrade apply --yes --config "$config" --skip-phases=addon,kubelet-config >"$log" 2>&1
status=$?
rm -f "$config"
[ "$status" -ne 124 ] ||
  echo "kubeadm upgrade did not end within $limit s and was ended" >>"$log"
[ "$status" -eq 0 ] || exit "$status"
set -e
: >"$mark.new"
sha256sum /etc/kubernetes/manifests/*.yaml >/var/lib/kanae/marks/manifests.new
mv -f /var/lib/kanae/marks/manifests.new /var/lib/kanae/marks/manifests
rm -f /var/lib/kanae/marks/upgrading
echo ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff >"$mark.new"
mv -f "$mark.new" "$mark"' sh "$config" "$log" "$mark" "$limit" </dev/null >/dev/null 2>&1 || status=$?
[ "$status" -eq 0 ] || { tail -n 25 "$log" >&2; if grep -qE 'deadline exceeded|timed out|not healthy' "$log"; then journalctl -q --no-pager -o cat -n 500 -u containerd.service -u kubelet.service 2>/dev/null | sed -nE 's/^E[0-9]{4} [^]]*\] *//p; s/^.*level=(error|fatal) msg=//p' | sort -u | tail -n 5 | cut -c 1-400 >&2; fi; exit "$status"; }
