set -e
systemctl daemon-reload
mkdir -p /etc/kanae/patches; chmod 0755 /etc/kanae/patches; chown root:root /etc/kanae/patches
[ ! -L /etc/systemd/system/kanae-shutdown.service ] || systemctl unmask -q kanae-shutdown.service
systemctl enable -q kanae-shutdown.service
if [ -e /var/lib/kanae/marks/restart-kanae-shutdown.service ]; then systemctl restart kanae-shutdown.service
elif [ -e /var/lib/kanae/marks/reload-kanae-shutdown.service ]; then systemctl reload-or-restart kanae-shutdown.service
else systemctl start kanae-shutdown.service; fi
rm -f /var/lib/kanae/marks/restart-kanae-shutdown.service /var/lib/kanae/marks/reload-kanae-shutdown.service
[ ! -L /etc/systemd/system/kanae-etcd-failover.service ] || systemctl unmask -q kanae-etcd-failover.service
systemctl enable -q kanae-etcd-failover.service
if [ -e /var/lib/kanae/marks/restart-kanae-etcd-failover.service ]; then systemctl restart kanae-etcd-failover.service
elif [ -e /var/lib/kanae/marks/reload-kanae-etcd-failover.service ]; then systemctl reload-or-restart kanae-etcd-failover.service
else systemctl start kanae-etcd-failover.service; fi
rm -f /var/lib/kanae/marks/restart-kanae-etcd-failover.service /var/lib/kanae/marks/reload-kanae-etcd-failover.service
