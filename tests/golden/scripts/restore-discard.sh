rm -rf --one-file-system -- /var/lib/kanae/restores /var/lib/etcd/kanae-before-* /var/lib/etcd/kanae-restored-*
