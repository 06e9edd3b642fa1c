set -e
systemctl daemon-reload
mkdir -p /var/lib/etcd; chmod 0700 /var/lib/etcd; chown root:root /var/lib/etcd
[ ! -L /etc/systemd/system/etcd.service ] || systemctl unmask -q etcd.service
systemctl enable -q etcd.service
if [ -e /var/lib/kanae/marks/restart-etcd.service ]; then systemctl restart etcd.service
elif [ -e /var/lib/kanae/marks/reload-etcd.service ]; then systemctl reload-or-restart etcd.service
else systemctl start etcd.service; fi
rm -f /var/lib/kanae/marks/restart-etcd.service /var/lib/kanae/marks/reload-etcd.service
[ ! -L /etc/systemd/system/kanae-etcd-failover.service ] || systemctl unmask -q kanae-etcd-failover.service
systemctl enable -q kanae-etcd-failover.service
if [ -e /var/lib/kanae/marks/restart-kanae-etcd-failover.service ]; then systemctl restart kanae-etcd-failover.service
elif [ -e /var/lib/kanae/marks/reload-kanae-etcd-failover.service ]; then systemctl reload-or-restart kanae-etcd-failover.service
else systemctl start kanae-etcd-failover.service; fi
rm -f /var/lib/kanae/marks/restart-kanae-etcd-failover.service /var/lib/kanae/marks/reload-kanae-etcd-failover.service
[ ! -L /etc/systemd/system/kanae-etcd-balancer.service ] || systemctl unmask -q kanae-etcd-balancer.service
systemctl enable -q kanae-etcd-balancer.service
if [ -e /var/lib/kanae/marks/restart-kanae-etcd-balancer.service ]; then systemctl restart kanae-etcd-balancer.service
elif [ -e /var/lib/kanae/marks/reload-kanae-etcd-balancer.service ]; then systemctl reload-or-restart kanae-etcd-balancer.service
else systemctl start kanae-etcd-balancer.service; fi
rm -f /var/lib/kanae/marks/restart-kanae-etcd-balancer.service /var/lib/kanae/marks/reload-kanae-etcd-balancer.service
