"""kubelet's unit and the drop-in by which it takes kubeadm's files.

Source of the drop-in's variables and files: 10-kubeadm.conf of the Kubernetes packages
(kubernetes.io/docs/setup/production-environment/tools/kubeadm/kubelet-integration).
"""

from __future__ import annotations

from kanae.facts.model import HostBase
from kanae.layout import paths, proxies, units
from kanae.render.banner import banner
from kanae.spec import patience


def unit() -> str:
    """kubelet.service.

    It does not start before kubeadm has written its configuration: then enabling it early does no
    harm, and a host that was powered off in the middle of a join does not come up with a kubelet
    in a crash loop. kubeadm writes the file before it starts kubelet, in init and in join.
    """
    return f"""{banner()}[Unit]
Description=kubelet, the Kubernetes node agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target {units.CONTAINERD}
After=network-online.target {units.CONTAINERD}
ConditionPathExists={paths.KUBELET_CONFIG}
StartLimitIntervalSec=0

[Service]
ExecStart={paths.BIN}/kubelet
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""


def dropin(name: str, node_ip: str, base: HostBase) -> str:
    """10-kubeadm.conf. node_ip: the host's address in the spec, also where it has several.

    name: of the node, in the spec. kubelet otherwise takes the host's own name at each start, and
    one that changes later would make it a node that is not registered and may not register.
    kubeadm pins it in kubeadm-flags.env only where the two differ when it runs.

    The HTTP/2 health check of client connections is shortened from 30 s + 15 s to 5 s + 3 s: a
    kubelet whose connection went through a balancer or master that lost power would otherwise
    take 45 s to notice, and its node would be taken for lost before (see spec/patience.py).
    """
    return f"""{banner()}[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig={paths.BOOTSTRAP_KUBELET_CONF} \\
  --kubeconfig={paths.KUBELET_CONF}"
Environment="KUBELET_CONFIG_ARGS=--config={paths.KUBELET_CONFIG}"
Environment="KUBELET_ADDRESS_ARGS=--node-ip={node_ip} --hostname-override={name}"
Environment=HTTP2_READ_IDLE_TIMEOUT_SECONDS={patience.READ_IDLE}
Environment=HTTP2_PING_TIMEOUT_SECONDS={patience.PING}
Environment=PATH={paths.BIN}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
{proxies.EMPTY}
EnvironmentFile=-{paths.KUBELET_FLAGS}
EnvironmentFile=-{base.family.environment}/kubelet
ExecStart=
ExecStart={paths.BIN}/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS \\
  $KUBELET_ADDRESS_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""
