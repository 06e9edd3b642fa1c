read -r now _ </proc/uptime; end=$((${now%.*} + 585))
systemctl restart kubelet.service || exit
for name in kube-proxy kube-flannel; do
  old=$(crictl ps -q --state running --name "^$name$" | sort) || exit
  [ -n "$old" ] || continue
  crictl stop --timeout 1 $old >/dev/null || exit
  while new=$(crictl ps -q --state running --name "^$name$" | sort)
    [ -z "$new" ] || [ "$new" = "$old" ]
  do
    [ "$(read -r now _ </proc/uptime; echo $((end - ${now%.*})))" -gt 0 ] || { echo "$name does not start again" >&2; exit 1; }
    sleep 0.3
  done
done
