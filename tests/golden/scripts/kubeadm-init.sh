set -eu
umask 077
mkdir -p /run/kanae /var/lib/kanae/log /var/lib/kanae/marks
config=/run/kanae/kubeadm-init.yaml log=/var/lib/kanae/log/kubeadm-init.log mark=/var/lib/kanae/marks/joined
exec 9>/run/kanae/kubeadm.lock
flock -w 585 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }
if [ -e "$mark" ]; then cat >/dev/null; echo already-done; exit 0; fi
cat >"$config"
touch /var/lib/kanae/marks/init-started
status=0
env -u KANAE_RUN setsid --wait sh -c 'config=$1 log=$2 mark=$3
timeout --kill-after=10 585 kubeadm init --config "$config" --skip-token-print --skip-phases=show-join-command >"$log" 2>&1
status=$?
rm -f "$config"
[ "$status" -eq 0 ] || exit "$status"
set -e
: >"$mark.new"
sha256sum /etc/kubernetes/manifests/*.yaml >/var/lib/kanae/marks/manifests.new
mv -f /var/lib/kanae/marks/manifests.new /var/lib/kanae/marks/manifests
{ echo eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee; sha256sum /var/lib/kubelet/config.yaml; } >/var/lib/kanae/marks/kubelet.new
mv -f /var/lib/kanae/marks/kubelet.new /var/lib/kanae/marks/kubelet
echo ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff >"$mark.new"
mv -f "$mark.new" "$mark"' sh "$config" "$log" "$mark" </dev/null >/dev/null 2>&1 || status=$?
[ "$status" -eq 0 ] || { tail -n 25 "$log" >&2; exit "$status"; }
