set -e
systemctl daemon-reload
[ ! -L /etc/systemd/system/kanae-balancer-reference.service ] || systemctl unmask -q kanae-balancer-reference.service
systemctl enable -q kanae-balancer-reference.service
if [ -e /var/lib/kanae/marks/restart-kanae-balancer-reference.service ]; then systemctl restart kanae-balancer-reference.service
elif [ -e /var/lib/kanae/marks/reload-kanae-balancer-reference.service ]; then systemctl reload-or-restart kanae-balancer-reference.service
else systemctl start kanae-balancer-reference.service; fi
rm -f /var/lib/kanae/marks/restart-kanae-balancer-reference.service /var/lib/kanae/marks/reload-kanae-balancer-reference.service
[ ! -L /etc/systemd/system/kanae-watch-reference.service ] || systemctl unmask -q kanae-watch-reference.service
systemctl enable -q kanae-watch-reference.service
if [ -e /var/lib/kanae/marks/restart-kanae-watch-reference.service ]; then systemctl restart kanae-watch-reference.service
elif [ -e /var/lib/kanae/marks/reload-kanae-watch-reference.service ]; then systemctl reload-or-restart kanae-watch-reference.service
else systemctl start kanae-watch-reference.service; fi
rm -f /var/lib/kanae/marks/restart-kanae-watch-reference.service /var/lib/kanae/marks/reload-kanae-watch-reference.service
