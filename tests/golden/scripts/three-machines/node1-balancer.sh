set -e
systemctl daemon-reload
[ ! -L /etc/systemd/system/kanae-balancer-three-machines.service ] || systemctl unmask -q kanae-balancer-three-machines.service
systemctl enable -q kanae-balancer-three-machines.service
if [ -e /var/lib/kanae/marks/restart-kanae-balancer-three-machines.service ]; then systemctl restart kanae-balancer-three-machines.service
elif [ -e /var/lib/kanae/marks/reload-kanae-balancer-three-machines.service ]; then systemctl reload-or-restart kanae-balancer-three-machines.service
else systemctl start kanae-balancer-three-machines.service; fi
rm -f /var/lib/kanae/marks/restart-kanae-balancer-three-machines.service /var/lib/kanae/marks/reload-kanae-balancer-three-machines.service
[ ! -L /etc/systemd/system/kanae-keepalived-three-machines.service ] || systemctl unmask -q kanae-keepalived-three-machines.service
systemctl enable -q kanae-keepalived-three-machines.service
if [ -e /var/lib/kanae/marks/restart-kanae-keepalived-three-machines.service ]; then systemctl restart kanae-keepalived-three-machines.service
elif [ -e /var/lib/kanae/marks/reload-kanae-keepalived-three-machines.service ]; then systemctl reload-or-restart kanae-keepalived-three-machines.service
else systemctl start kanae-keepalived-three-machines.service; fi
rm -f /var/lib/kanae/marks/restart-kanae-keepalived-three-machines.service /var/lib/kanae/marks/reload-kanae-keepalived-three-machines.service
[ ! -L /etc/systemd/system/kanae-tickle-three-machines.service ] || systemctl unmask -q kanae-tickle-three-machines.service
systemctl enable -q kanae-tickle-three-machines.service
if [ -e /var/lib/kanae/marks/restart-kanae-tickle-three-machines.service ]; then systemctl restart kanae-tickle-three-machines.service
elif [ -e /var/lib/kanae/marks/reload-kanae-tickle-three-machines.service ]; then systemctl reload-or-restart kanae-tickle-three-machines.service
else systemctl start kanae-tickle-three-machines.service; fi
rm -f /var/lib/kanae/marks/restart-kanae-tickle-three-machines.service /var/lib/kanae/marks/reload-kanae-tickle-three-machines.service
