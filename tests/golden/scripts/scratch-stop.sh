systemctl stop kanae-etcd-scratch.service 2>/dev/null || :; rm -rf -- /var/lib/kanae/scratch
