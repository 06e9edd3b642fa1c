unset HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
set -e; mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 585 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }
kubeadm upgrade node phase kubelet-config --patches /etc/kanae/patches --kubeconfig /etc/kubernetes/kubelet.conf >/dev/null
systemctl restart kubelet.service 9>&-
{ echo eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee; sha256sum /var/lib/kubelet/config.yaml; [ ! -e /var/lib/kubelet/kubeadm-flags.env ] || sha256sum /var/lib/kubelet/kubeadm-flags.env; } >/var/lib/kanae/marks/kubelet.new
mv -f /var/lib/kanae/marks/kubelet.new /var/lib/kanae/marks/kubelet
