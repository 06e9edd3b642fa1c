set -eu
umask 077
mkdir -p /run/kanae /var/lib/kanae/log /var/lib/kanae/marks
config=/run/kanae/kubeadm-join.yaml log=/var/lib/kanae/log/kubeadm-join.log mark=/var/lib/kanae/marks/joined
exec 9>/run/kanae/kubeadm.lock
flock -w 585 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }
if [ -e "$mark" ]; then cat >/dev/null; echo already-done; exit 0; fi
cat >"$config"

status=0
env -u KANAE_RUN setsid --wait sh -c 'config=$1 log=$2 mark=$3
timeout --kill-after=10 585 kubeadm join --config "$config" >"$log" 2>&1
status=$?
rm -f "$config"
[ "$status" -eq 0 ] || exit "$status"
set -e
: >"$mark.new"
{ echo eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee; sha256sum /var/lib/kubelet/config.yaml; } >/var/lib/kanae/marks/kubelet.new
mv -f /var/lib/kanae/marks/kubelet.new /var/lib/kanae/marks/kubelet
echo worker >"$mark.new"
mv -f "$mark.new" "$mark"' sh "$config" "$log" "$mark" </dev/null >/dev/null 2>&1 || status=$?
[ "$status" -eq 0 ] || { tail -n 25 "$log" >&2; exit "$status"; }
