set -e
systemctl disable -q kanae-apiserver-gate.service || [ ! -f /etc/systemd/system/kanae-apiserver-gate.service ]
systemctl stop kanae-apiserver-gate.service || [ $? = 5 ]
rm -f /etc/systemd/system/kanae-apiserver-gate.service /var/lib/kanae/marks/restart-kanae-apiserver-gate.service /var/lib/kanae/marks/reload-kanae-apiserver-gate.service
systemctl daemon-reload
rm -f /etc/kanae/apiserver-gate.sh
swapoff -a
sed -i.kanae -E '/^[^#].*[[:space:]]swap[[:space:]]/ s/^/# kanae: /' /etc/fstab
