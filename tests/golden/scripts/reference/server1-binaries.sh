set -e
mkdir -p /opt/cni/bin; chmod 0755 /opt/cni/bin; chown root:root /opt/cni/bin
