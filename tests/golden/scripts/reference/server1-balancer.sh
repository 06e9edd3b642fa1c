set -e
systemctl daemon-reload
[ ! -L /etc/systemd/system/kanae-apiserver-gate.service ] || systemctl unmask -q kanae-apiserver-gate.service
systemctl enable -q kanae-apiserver-gate.service
if [ -e /var/lib/kanae/marks/restart-kanae-apiserver-gate.service ]; then systemctl restart kanae-apiserver-gate.service
elif [ -e /var/lib/kanae/marks/reload-kanae-apiserver-gate.service ]; then systemctl reload-or-restart kanae-apiserver-gate.service
else systemctl start kanae-apiserver-gate.service; fi
rm -f /var/lib/kanae/marks/restart-kanae-apiserver-gate.service /var/lib/kanae/marks/reload-kanae-apiserver-gate.service
