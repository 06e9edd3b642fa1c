set -e
systemctl daemon-reload
[ ! -L /etc/systemd/system/containerd.service ] || systemctl unmask -q containerd.service
systemctl enable -q containerd.service
if [ -e /var/lib/kanae/marks/restart-containerd.service ]; then systemctl restart containerd.service
elif [ -e /var/lib/kanae/marks/reload-containerd.service ]; then systemctl reload-or-restart containerd.service
else systemctl start containerd.service; fi
rm -f /var/lib/kanae/marks/restart-containerd.service /var/lib/kanae/marks/reload-containerd.service
