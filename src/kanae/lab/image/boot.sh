#!/bin/sh
# First thing at boot of a lab host: what bare metal's firmware, cables and installer would do.
# With /sys writable systemd-networkd would wait for udev for ever, hence plain ip.
set -eu
. /etc/kanae-lab/host

mount --make-rshared /
# nspawn mounts the version 1 controllers read-only; only a bind remount changes that.
for controller in /sys/fs/cgroup/*/; do
    [ -e "${controller}cgroup.procs" ] || continue
    mount -o remount,bind,rw "$controller"
done

ip -batch - <<EOF
address replace $ADDRESS dev host0
link set lo up
link set host0 up
route replace default via $GATEWAY dev host0
EOF
