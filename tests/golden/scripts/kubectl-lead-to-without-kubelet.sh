set -e; umask 077; for path in /etc/kubernetes/admin.conf /etc/kubernetes/kubelet.conf; do
  cp -p -- "$path" "$path.kanae"
  sed '0,/^ *server: /s|^\( *server: \).*|\1https://10.0.0.9:6440|' "$path" >"$path.kanae"
  sync -- "$path.kanae"
  mv -f -- "$path.kanae" "$path"
done
