systemctl is-active kubelet.service 2>&1
