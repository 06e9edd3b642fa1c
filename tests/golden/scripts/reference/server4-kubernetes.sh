set -e
mkdir -p /etc/kanae/patches; chmod 0755 /etc/kanae/patches; chown root:root /etc/kanae/patches
