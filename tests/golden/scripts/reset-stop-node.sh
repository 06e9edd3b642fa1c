mkdir -p /run/kanae /var/lib/kanae/marks
exec 9>/run/kanae/kubeadm.lock; flock -w 120 9 || exit 75
touch /var/lib/kanae/marks/resetting
systemctl disable -q --now kubelet.service 2>/dev/null
rm -rf /etc/kubernetes/manifests
if systemctl is-active -q containerd.service; then
  timeout -k 5 60 crictl rmp -fa >/dev/null 2>&1
  for task in $(ctr -n k8s.io tasks ls -q 2>/dev/null); do
    ctr -n k8s.io tasks kill -s KILL "$task" >/dev/null 2>&1
  done
fi
! systemctl is-active -q kubelet.service
