set -e
mkdir -p /var/lib/kanae; chmod 0700 /var/lib/kanae; chown root:root /var/lib/kanae
mkdir -p /var/lib/kanae/marks; chmod 0700 /var/lib/kanae/marks; chown root:root /var/lib/kanae/marks
mkdir -p /etc/kanae; chmod 0755 /etc/kanae; chown root:root /etc/kanae
sysctl -q -w net.ipv4.tcp_keepalive_intvl=1
sysctl -q -w net.ipv4.tcp_keepalive_probes=2
sysctl -q -w net.ipv4.tcp_keepalive_time=1
sysctl -q -w net.ipv4.tcp_retries2=1
sysctl -q -w net.ipv4.tcp_syn_retries=1
[ -e /usr/lib/systemd/system/nginx.service ] || [ -e /lib/systemd/system/nginx.service ] || { systemctl mask -q nginx.service; echo nginx.service >>/var/lib/kanae/masked; }
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 nginx libnginx-mod-stream >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 nginx libnginx-mod-stream >/dev/null; }
