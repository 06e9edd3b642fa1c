set -e
mkdir -p /var/lib/kanae; chmod 0700 /var/lib/kanae; chown root:root /var/lib/kanae
mkdir -p /var/lib/kanae/marks; chmod 0700 /var/lib/kanae/marks; chown root:root /var/lib/kanae/marks
mkdir -p /etc/kanae; chmod 0755 /etc/kanae; chown root:root /etc/kanae
