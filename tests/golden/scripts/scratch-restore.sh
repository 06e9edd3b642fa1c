set -eu; umask 077
etcdutl snapshot restore /var/lib/kanae/scratch/snapshot.db --data-dir /var/lib/kanae/scratch/data --name m1 --initial-cluster m1=https://127.0.0.1:2377 --initial-advertise-peer-urls https://127.0.0.1:2377 --initial-cluster-token kanae-scratch --bump-revision 1000000000 --mark-compacted >/dev/null
