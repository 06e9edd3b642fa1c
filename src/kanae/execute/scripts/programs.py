"""Programs on the hosts, with where they find what they need."""

from __future__ import annotations

from kanae.layout import paths as at

# Clusters are reached directly, whatever proxy the host's environment names.
DIRECT = "env NO_PROXY=* no_proxy=*"
KUBECTL = f"{DIRECT} kubectl --kubeconfig {at.ADMIN_CONF} --cache-dir {at.KUBECTL_CACHE}"
_AS_PROBE = f"--cert {at.ETCD_PROBE} --key {at.key(at.ETCD_PROBE)}"
ETCDCTL_PATIENT = f"{DIRECT} etcdctl --cacert {at.ETCD_CA} {_AS_PROBE}"
ETCDCTL = f"{ETCDCTL_PATIENT} --command-timeout=3s"
