set -eu; umask 077
read -r now _ </proc/uptime; end=$((${now%.*} + 585))
mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 585 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }
mkdir -p /var/lib/kanae/marks
printf '%s\n' '{"snapshot": "it'"'"'s"}' >/var/lib/kanae/marks/restoring.new
sync -- /var/lib/kanae/marks/restoring.new; mv -fT /var/lib/kanae/marks/restoring.new /var/lib/kanae/marks/restoring
systemctl disable -q --now etcd.service
! systemctl is-active -q etcd.service || { echo "etcd.service still runs" >&2; exit 1; }
