set -eu
umask 077
mkdir -p /run/kanae /var/lib/kanae/log /var/lib/kanae/marks
config=/run/kanae/kubeadm-init.yaml log=/var/lib/kanae/log/kubeadm-init.log mark=/var/lib/kanae/marks/joined
read -r now _ </proc/uptime; end=$((${now%.*} + 585))
mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 585 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }
if [ -e /var/lib/kanae/marks/joined ]; then cat >/dev/null; echo already-done; exit 0; fi
cat >"$config"
said=$(kubeadm config validate --config "$config" 2>&1) || {
  rm -f "$config"
  printf '%s\n' "kubeadm config validate refuses the configuration:" "$said" >&2
  exit 65; }
touch /var/lib/kanae/marks/init-started
status=0 limit=$(read -r now _ </proc/uptime; echo $((end - ${now%.*})))
[ "$limit" -gt 0 ] || limit=1
env -u KANAE_RUN setsid --wait sh -c 'unset HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
config=$1 log=$2 mark=$3 limit=$4
timeout --kill-after=10 "$limit" kubeadm init --config "$config" --skip-token-print --skip-phases=show-join-command --ignore-preflight-errors=Port-6443,Port-10250,Port-10257,Port-10259,Port-2379,Port-2380,FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml,FileAvailable--etc-kubernetes-manifests-kube-controller-manager.yaml,FileAvailable--etc-kubernetes-manifests-kube-scheduler.yaml,FileAvailable--etc-kubernetes-manifests-etcd.yaml,DirAvailable--var-lib-etcd >"$log" 2>&1
status=$?
rm -f "$config"
[ "$status" -ne 124 ] ||
  echo "kubeadm init did not end within $limit s and was ended" >>"$log"
[ "$status" -eq 0 ] || exit "$status"
set -e
: >"$mark.new"
sha256sum /etc/kubernetes/manifests/*.yaml >/var/lib/kanae/marks/manifests.new
mv -f /var/lib/kanae/marks/manifests.new /var/lib/kanae/marks/manifests
{ echo eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee; sha256sum /var/lib/kubelet/config.yaml; [ ! -e /var/lib/kubelet/kubeadm-flags.env ] || sha256sum /var/lib/kubelet/kubeadm-flags.env; } >/var/lib/kanae/marks/kubelet.new
mv -f /var/lib/kanae/marks/kubelet.new /var/lib/kanae/marks/kubelet
echo ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff >"$mark.new"
mv -f "$mark.new" "$mark"' sh "$config" "$log" "$mark" "$limit" </dev/null >/dev/null 2>&1 || status=$?
[ "$status" -eq 0 ] || { tail -n 25 "$log" >&2; if grep -qE 'deadline exceeded|timed out|not healthy' "$log"; then journalctl -q --no-pager -o cat -n 500 -u containerd.service -u kubelet.service 2>/dev/null | sed -nE 's/^E[0-9]{4} [^]]*\] *//p; s/^.*level=(error|fatal) msg=//p' | sort -u | tail -n 5 | cut -c 1-400 >&2; fi; exit "$status"; }
