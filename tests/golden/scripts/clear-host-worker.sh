set -e; mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 585 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }
touch /var/lib/kanae/marks/clearing
systemctl stop kubelet.service || [ $? = 5 ]
kubeadm reset -f --skip-phases=preflight,remove-etcd-member --cert-dir /run/kanae/no-certificates --cri-socket unix:///run/containerd/containerd.sock >/dev/null 2>&1 9>&- || true
rm -rf /etc/kubernetes/manifests /etc/kubernetes/*.conf
rm -f /var/lib/kanae/marks/joined /var/lib/kanae/marks/manifests /var/lib/kanae/marks/kubelet
rm -f /etc/kubernetes/pki/ca.crt
rm -f /var/lib/kanae/marks/clearing
