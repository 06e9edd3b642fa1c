mkdir -p /run/kanae; exec 9>/run/kanae/kubeadm.lock; flock -w 60 9 || { echo "another kubeadm still runs on this host" >&2; exit 75; }; [ -e /var/lib/kanae/marks/joined ]
