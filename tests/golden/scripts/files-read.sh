cat /etc/kubernetes/admin.conf
