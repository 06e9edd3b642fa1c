ctr -n k8s.io images import --local --no-unpack /var/lib/kanae/images/a.tar >/dev/null && rm -f /var/lib/kanae/images/a.tar
