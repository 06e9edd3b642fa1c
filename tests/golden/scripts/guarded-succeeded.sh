mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 60 9 || exit 75; [ -e /var/lib/kanae/marks/joined ]
