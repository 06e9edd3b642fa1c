"""Programs on the hosts, with where they find what they need."""

from __future__ import annotations

from kanae.layout import paths as at

# Clusters are reached directly, whatever proxy the host's environment names.
_DIRECT = "env NO_PROXY=* no_proxy=*"
KUBECTL = f"{_DIRECT} kubectl --kubeconfig {at.ADMIN_CONF} --cache-dir /run/kanae/kubectl"
# The certificate that kubeadm makes for its own probes of a stacked member, and kanae for an
# external one.
_PROBE = f"{at.ETCD_PKI}/healthcheck-client.crt"
ETCDCTL = (
    f"{_DIRECT} etcdctl --cacert {at.ETCD_CA} --cert {_PROBE} --key {at.key(_PROBE)}"
    " --command-timeout=3s"
)
