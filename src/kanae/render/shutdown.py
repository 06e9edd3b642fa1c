"""An orderly end of the control plane when its host is shut down or rebooted.

Left alone, systemd would stop etcd (or its balancer) under an API server that still takes
requests, and kill the API server last. kubelet's own graceful shutdown is not used: it needs
systemd-logind, which an immediate `systemctl poweroff --force`, a container host's power-off and
hosts without dbus go around, and it ends static pods together with all others.
"""

from __future__ import annotations

from typing import Final

from kanae.layout import paths, units
from kanae.render.banner import banner

# --shutdown-delay-duration, then what requests take that are in flight; see api_server.patch.
API_SERVER_SECONDS: Final = 20
_ETCD_SECONDS: Final = 5


def unit() -> str:
    """Stopped after kubelet, which would start the API server again, and before all it needs."""
    return f"""{banner()}[Unit]
Description=orderly end of the Kubernetes control plane at shutdown
Before={units.KUBELET}
After=network-online.target {units.CONTAINERD} {units.ETCD} {units.ETCD_BALANCER} {units.GATE}
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sh {paths.SHUTDOWN_SCRIPT}
TimeoutStopSec={API_SERVER_SECONDS + _ETCD_SECONDS + 10}

[Install]
WantedBy=multi-user.target
"""


def script() -> str:
    """First the API server, which lets its clients go; then stacked etcd, which hands over its
    leadership. Does nothing when only the unit is stopped and not the host.
    """
    return f"""#!/bin/sh
{banner()}case $(systemctl is-system-running) in stopping) ;; *) exit 0 ;; esac

end() {{
    for container in $({paths.BIN}/crictl ps --quiet --name "^$1\\$"); do
        {paths.BIN}/crictl stop --timeout "$2" "$container"
    done
}}

end kube-apiserver {API_SERVER_SECONDS}
end etcd {_ETCD_SECONDS}
"""
