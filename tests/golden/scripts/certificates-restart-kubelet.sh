set -eu; umask 077
read -r now _ </proc/uptime; end=$((${now%.*} + 585))
mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 585 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }
if [ -e /var/lib/kubelet/pki/kubelet-client-kanae.pem ]; then
  ln -sfn /var/lib/kubelet/pki/kubelet-client-kanae.pem /var/lib/kubelet/pki/kubelet-client-current.pem.kanae
  mv -fT /var/lib/kubelet/pki/kubelet-client-current.pem.kanae /var/lib/kubelet/pki/kubelet-client-current.pem
fi
if grep -q 'client-certificate-data: ' /etc/kubernetes/kubelet.conf; then
  cp -p /etc/kubernetes/kubelet.conf /etc/kubernetes/kubelet.conf.kanae
  sed 's|^\( *\)client-certificate-data: .*|\1client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem|; s|^\( *\)client-key-data: .*|\1client-key: /var/lib/kubelet/pki/kubelet-client-current.pem|' /etc/kubernetes/kubelet.conf >/etc/kubernetes/kubelet.conf.kanae
  sync -- /etc/kubernetes/kubelet.conf.kanae
  mv -fT /etc/kubernetes/kubelet.conf.kanae /etc/kubernetes/kubelet.conf
fi
systemctl restart kubelet.service 9>&-
rm -f /var/lib/kanae/marks/restart-kubelet.service
