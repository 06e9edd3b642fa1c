set -eu; umask 077
read -r now _ </proc/uptime; end=$((${now%.*} + 585))
mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 585 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }
newest() { crictl ps -a -q --name "^$1$" | head -n 1; }
for name in kube-controller-manager kube-scheduler; do
  old=$(newest "$name")
  running=$(crictl ps -q --state running --name "^$name$")
  [ -z "$running" ] || crictl stop --timeout 10 $running >/dev/null
  while new=$(newest "$name"); [ -z "$new" ] || [ "$new" = "$old" ]; do
    [ "$(read -r now _ </proc/uptime; echo $((end - ${now%.*})))" -gt 0 ] || { echo "$name does not start again" >&2; exit 1; }
    sleep 0.3
  done
  rm -f "/var/lib/kanae/marks/restart-$name"
done
