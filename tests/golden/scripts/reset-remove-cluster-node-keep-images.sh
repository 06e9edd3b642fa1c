for unit in kubelet.service containerd.service; do systemctl disable -q --now $unit 2>/dev/null; done

awk '$2 ~ "^/var/lib/kubelet/" { print $2 }' /proc/mounts | sort -r |
  while read -r mount; do umount -l "$mount"; done
rm -rf /var/lib/kubelet/* /run/flannel /run/kubernetes /var/log/pods /var/log/containers
for link in $(ip -o link show master cni0 2>/dev/null | sed -n 's/^[0-9]*: \([^@:]*\).*/\1/p')   flannel.1 flannel-v6.1 cni0 kube-ipvs0 weave vxlan-6784
do ip link delete "$link" 2>/dev/null; done
for name in $(ip netns list 2>/dev/null | sed -n 's/^\(cni-[-0-9a-f]*\).*/\1/p'); do
  ip netns delete "$name" 2>/dev/null
done
if command -v nft >/dev/null; then
  nft delete table ip kube-proxy 2>/dev/null; nft delete table ip6 kube-proxy 2>/dev/null; nft delete table ip flannel-ipv4 2>/dev/null; nft delete table ip6 flannel-ipv6 2>/dev/null; nft delete table inet kanae_gate 2>/dev/null; nft delete table inet kanae_etcd 2>/dev/null
fi
for tables in iptables ip6tables; do
  command -v $tables-save >/dev/null || continue
  rules=$($tables-save 2>/dev/null)
  case $rules in *KUBE-*|*FLANNEL-*|*CNI-*)
    printf '%s\n' "$rules" | grep -vE 'KUBE-|FLANNEL-|CNI-' | $tables-restore ;;
  esac
done
rm -f /etc/systemd/system/kubelet.service /etc/sysctl.d/90-kanae.conf
systemctl daemon-reload; systemctl reset-failed 2>/dev/null
rm -rf /etc/kubernetes
rm -rf /var/lib/kanae
rmdir -p --ignore-fail-on-non-empty /etc/kanae /etc/systemd/system/kubelet.service.d 2>/dev/null; true
