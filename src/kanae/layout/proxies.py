"""Proxy variables: programs of Kubernetes and etcd reach their own cluster's hosts directly.

Go's net/http, gRPC and curl all take them from the environment. kubeadm moreover writes every
variable whose name ends in _proxy into the manifests of its static pods, where it stays
(cmd/kubeadm/app/util/kubeadm/env.go, GetProxyEnvVars).
"""

from __future__ import annotations

from typing import Final

from kanae.layout import units

VARIABLES: Final = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
)  # fmt: skip
# A line of sh, for scripts that call such programs.
UNSET: Final = f"unset {' '.join(VARIABLES)}"
# For a unit's [Service]. Empty, and not unset: a drop-in of the operator's may set them again,
# which a distribution's or another admin's DefaultEnvironment= may not.
EMPTY: Final = f"Environment={' '.join(f'{name}=' for name in VARIABLES)}"

# Files whose variables come to sessions or to all services.
GENERAL: Final = (
    "/etc/environment", "/etc/profile", "/etc/profile.d/*.sh", "/etc/bash.bashrc", "/etc/bashrc",
    *(
        f"{folder}/systemd/system.conf{suffix}"
        for folder in ("/etc", "/run", "/usr/lib")
        for suffix in ("", ".d/*.conf")
    ),
)  # fmt: skip
# Files that somebody wrote for one of the services that kanae runs.
OF_SERVICES: Final = (
    *(
        f"/etc/systemd/system/{unit}.d/*.conf"
        for unit in (units.CONTAINERD, units.KUBELET, units.ETCD)
    ),
    "/etc/systemd/system/service.d/*.conf",
    "/etc/default/kubelet",
    "/etc/sysconfig/kubelet",
)
# The place of variables that a script found in its own environment.
SESSION: Final = "the SSH session"
