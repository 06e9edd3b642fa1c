"""Programs on the hosts, with where they find what they need."""

from __future__ import annotations

from kanae.layout import paths as at

KUBECTL = f"kubectl --kubeconfig {at.ADMIN_CONF} --cache-dir {at.KUBECTL_CACHE}"
_AS_PROBE = f"--cert {at.ETCD_PROBE} --key {at.key(at.ETCD_PROBE)}"
ETCDCTL = f"etcdctl --cacert {at.ETCD_CA} {_AS_PROBE} --command-timeout=3s"
