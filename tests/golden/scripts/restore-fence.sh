set -eu; umask 077
read -r now _ </proc/uptime; end=$((${now%.*} + 585))
mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 585 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }
mkdir -p /var/lib/kanae/marks
printf '%s\n' '{"snapshot": "it'"'"'s"}' >/var/lib/kanae/marks/restoring.new
sync -- /var/lib/kanae/marks/restoring.new; mv -fT /var/lib/kanae/marks/restoring.new /var/lib/kanae/marks/restoring
systemctl stop kubelet.service
mkdir -p /etc/kubernetes/fenced
for pod in kube-apiserver etcd; do
  [ ! -e /etc/kubernetes/manifests/$pod.yaml ] || mv -fT /etc/kubernetes/manifests/$pod.yaml /etc/kubernetes/fenced/$pod.yaml
done
sync /etc/kubernetes/fenced /etc/kubernetes/manifests
systemctl start containerd.service
for pod in kube-apiserver etcd; do
  until ids=$(crictl ps -q --state running --name "^$pod$" 2>/dev/null) && [ -z "$ids" ]; do
    [ "$(read -r now _ </proc/uptime; echo $((end - ${now%.*})))" -gt 0 ] || {
      echo "$pod does not end, or crictl does not tell:" >&2
      crictl ps >&2; exit 1; }
    { [ -n "$ids" ] && crictl stop --timeout 1 $ids >/dev/null 2>&1; } || sleep 0.3
  done
done
