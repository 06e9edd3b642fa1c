set -eu; umask 077
printf '%s\n' 'abababababababababababababababababababababababababababababababab  /var/lib/kanae/restores/abababababababab-1.db' | sha256sum --check --status 2>/dev/null || {
  echo "/var/lib/kanae/restores/abababababababab-1.db is not the backup's snapshot: its sha256 is another one" >&2; exit 1; }
mkdir -p /var/lib/etcd
rm -rf -- /var/lib/etcd/kanae-restored-abababababababab-1 /var/lib/etcd/kanae-restored-abababababababab-1.part
etcdutl snapshot restore /var/lib/kanae/restores/abababababababab-1.db --data-dir /var/lib/etcd/kanae-restored-abababababababab-1.part --name m1 --initial-cluster m1=https://192.168.1.10:2380,m2=https://192.168.1.11:2380 --initial-advertise-peer-urls https://192.168.1.10:2380 --initial-cluster-token kanae-abababababababab-1 --bump-revision 1000000000 --mark-compacted >/dev/null
echo abababababababab-1 >/var/lib/etcd/kanae-restored-abababababababab-1.part/member/kanae-attempt
chown -R --reference=/var/lib/etcd -- /var/lib/etcd/kanae-restored-abababababababab-1.part
sync -f -- /var/lib/etcd/kanae-restored-abababababababab-1.part
mv -T -- /var/lib/etcd/kanae-restored-abababababababab-1.part /var/lib/etcd/kanae-restored-abababababababab-1
