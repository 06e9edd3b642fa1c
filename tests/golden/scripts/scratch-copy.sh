set -eu; umask 077; mkdir -p /var/lib/kanae/scratch/data; cp -a -- /var/lib/etcd/member /var/lib/kanae/scratch/data/member
