set -eu
systemctl enable -q etcd.service
systemctl start --no-block etcd.service
