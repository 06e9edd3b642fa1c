set -e
systemctl daemon-reload
[ ! -L /etc/systemd/system/kubelet.service ] || systemctl unmask -q kubelet.service
systemctl enable -q kubelet.service
