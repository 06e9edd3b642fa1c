set -e
systemctl daemon-reload
if [ ! -e /var/lib/kanae/found/list ]; then
rm -rf /var/lib/kanae/found; mkdir -p /var/lib/kanae/found/files
for path in /usr/local/bin/kubeadm /usr/local/bin/kubelet /usr/local/bin/kubectl /usr/local/bin/containerd /usr/local/bin/containerd-shim-runc-v2 /usr/local/bin/ctr /usr/local/bin/runc /usr/local/bin/crictl /opt/cni/bin/bridge /opt/cni/bin/host-local /opt/cni/bin/portmap /opt/cni/bin/loopback /opt/cni/bin/firewall /opt/cni/bin/ptp /opt/cni/bin/tuning /opt/cni/bin/bandwidth /opt/cni/bin/flannel /usr/local/bin/etcd /usr/local/bin/etcdctl /usr/local/bin/etcdutl /etc/containerd/config.toml /etc/systemd/system/containerd.service /etc/crictl.yaml /etc/systemd/system/kubelet.service /etc/systemd/system/kubelet.service.d/10-kubeadm.conf; do
if [ -f "$path" ]; then (cd / && cp -a --parents -- "${path#/}" /var/lib/kanae/found/files); fi
done
{ for folder in /etc/kubernetes /var/lib/kubelet /var/lib/containerd /run/containerd /etc/containerd/certs.d /etc/cni/net.d /opt/cni/bin /var/lib/cni /var/log/pods /var/log/containers; do
for path in "$folder/"* "$folder/".[!.]*; do
if [ -e "$path" ] || [ -L "$path" ]; then printf '%s\n' "$path"; fi
done; done
for unit in containerd.service kubelet.service; do
if systemctl is-enabled -q "$unit" 2>/dev/null; then printf 'unit %s\n' "$unit"; fi
done; } >/var/lib/kanae/found/list.new
mv -f /var/lib/kanae/found/list.new /var/lib/kanae/found/list
fi
mkdir -p /var/lib/kanae; chmod 0700 /var/lib/kanae; chown root:root /var/lib/kanae
mkdir -p /var/lib/kanae/marks; chmod 0700 /var/lib/kanae/marks; chown root:root /var/lib/kanae/marks
mkdir -p /etc/kanae; chmod 0755 /etc/kanae; chown root:root /etc/kanae
sysctl -q -w fs.inotify.max_user_instances=8192
sysctl -q -w net.bridge.bridge-nf-call-iptables=1
sysctl -q -w net.ipv4.ip_forward=1
[ ! -L /etc/systemd/system/kanae-settings-reference.service ] || systemctl unmask -q kanae-settings-reference.service
systemctl enable -q kanae-settings-reference.service
if [ -e /var/lib/kanae/marks/restart-kanae-settings-reference.service ]; then systemctl restart kanae-settings-reference.service
elif [ -e /var/lib/kanae/marks/reload-kanae-settings-reference.service ]; then systemctl reload-or-restart kanae-settings-reference.service
else systemctl start kanae-settings-reference.service; fi
rm -f /var/lib/kanae/marks/restart-kanae-settings-reference.service /var/lib/kanae/marks/reload-kanae-settings-reference.service
