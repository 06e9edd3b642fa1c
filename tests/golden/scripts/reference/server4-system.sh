set -e
mkdir -p /var/lib/kanae; chmod 0700 /var/lib/kanae; chown root:root /var/lib/kanae
mkdir -p /var/lib/kanae/marks; chmod 0700 /var/lib/kanae/marks; chown root:root /var/lib/kanae/marks
mkdir -p /etc/kanae; chmod 0755 /etc/kanae; chown root:root /etc/kanae
sysctl -q -w fs.inotify.max_user_instances=8192
sysctl -q -w net.bridge.bridge-nf-call-iptables=1
sysctl -q -w net.ipv4.ip_forward=1
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 conntrack ethtool iptables nftables socat >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 conntrack ethtool iptables nftables socat >/dev/null; }
