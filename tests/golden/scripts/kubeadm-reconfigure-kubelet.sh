set -e; mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 120 9
kubeadm upgrade node phase kubelet-config --patches /etc/kanae/patches --kubeconfig /etc/kubernetes/kubelet.conf >/dev/null
systemctl restart kubelet.service 9>&-
{ echo eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee; sha256sum /var/lib/kubelet/config.yaml; } >/var/lib/kanae/marks/kubelet.new
mv -f /var/lib/kanae/marks/kubelet.new /var/lib/kanae/marks/kubelet
