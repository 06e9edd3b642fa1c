set -e
systemctl daemon-reload
[ ! -L /etc/systemd/system/etcd.service ] || systemctl unmask -q etcd.service
systemctl enable -q etcd.service
if [ -e /var/lib/kanae/marks/restart-etcd.service ]; then systemctl restart etcd.service
elif [ -e /var/lib/kanae/marks/reload-etcd.service ]; then systemctl reload-or-restart etcd.service
else systemctl start etcd.service; fi
rm -f /var/lib/kanae/marks/restart-etcd.service /var/lib/kanae/marks/reload-etcd.service
[ ! -L /etc/systemd/system/kubelet.service ] || systemctl unmask -q kubelet.service
systemctl enable -q kubelet.service
[ ! -L /etc/systemd/system/other.service ] || systemctl unmask -q other.service
if [ -e /var/lib/kanae/marks/restart-other.service ]; then systemctl restart other.service
elif [ -e /var/lib/kanae/marks/reload-other.service ]; then systemctl reload-or-restart other.service
else systemctl start other.service; fi
rm -f /var/lib/kanae/marks/restart-other.service /var/lib/kanae/marks/reload-other.service
