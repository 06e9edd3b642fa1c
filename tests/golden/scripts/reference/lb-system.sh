set -e
systemctl daemon-reload
mkdir -p /var/lib/kanae; chmod 0700 /var/lib/kanae; chown root:root /var/lib/kanae
mkdir -p /var/lib/kanae/marks; chmod 0700 /var/lib/kanae/marks; chown root:root /var/lib/kanae/marks
mkdir -p /etc/kanae; chmod 0755 /etc/kanae; chown root:root /etc/kanae
sysctl -q -w net.ipv4.tcp_keepalive_intvl=1
sysctl -q -w net.ipv4.tcp_keepalive_probes=2
sysctl -q -w net.ipv4.tcp_keepalive_time=1
sysctl -q -w net.ipv4.tcp_retries2=1
sysctl -q -w net.ipv4.tcp_syn_retries=1
[ ! -L /etc/systemd/system/kanae-settings-reference.service ] || systemctl unmask -q kanae-settings-reference.service
systemctl enable -q kanae-settings-reference.service
if [ -e /var/lib/kanae/marks/restart-kanae-settings-reference.service ]; then systemctl restart kanae-settings-reference.service
elif [ -e /var/lib/kanae/marks/reload-kanae-settings-reference.service ]; then systemctl reload-or-restart kanae-settings-reference.service
else systemctl start kanae-settings-reference.service; fi
rm -f /var/lib/kanae/marks/restart-kanae-settings-reference.service /var/lib/kanae/marks/reload-kanae-settings-reference.service
