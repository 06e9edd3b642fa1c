rm -f /etc/systemd/system/kubelet.service /etc/sysctl.d/90-kanae.conf
systemctl daemon-reload; systemctl reset-failed 2>/dev/null
rmdir -p --ignore-fail-on-non-empty /etc/kanae /etc/systemd/system/kubelet.service.d 2>/dev/null; true
