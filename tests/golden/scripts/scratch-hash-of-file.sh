env NO_PROXY=* no_proxy=* etcdutl hashkv /var/lib/kanae/scratch/snapshot.db --rev 7 -w json
