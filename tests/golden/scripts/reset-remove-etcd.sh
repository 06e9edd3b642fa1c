systemctl disable -q --now etcd.service 2>/dev/null
! systemctl is-active -q etcd.service && rm -rf /var/lib/etcd/member
