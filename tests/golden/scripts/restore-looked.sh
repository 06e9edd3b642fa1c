for sealed in /var/lib/etcd/member/kanae-attempt /var/lib/etcd/kanae-restored-abababababababab-1/member/kanae-attempt; do
  [ "$(cat "$sealed" 2>/dev/null)" != abababababababab-1 ] || exit 0
done
printf '%s\n' 'abababababababababababababababababababababababababababababababab  /var/lib/kanae/restores/abababababababab-1.db' | sha256sum --check --status 2>/dev/null && exit 4
exit 3
