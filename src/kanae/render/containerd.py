"""containerd 2: its configuration and unit, and crictl's.

Sources: containerd's docs/cri/config.md (configuration version 3), its containerd.service, and
what was met in the lab (docs/configuration.md).
"""

from __future__ import annotations

from typing import Final, Literal

from kanae.facts.model import HostBase
from kanae.layout import paths, proxies
from kanae.render.banner import banner
from kanae.spec.models import Spec

# systemd's own defaults (DefaultLimitNOFILE). Said here because a distribution may set others,
# and containers inherit them.
_SOFT_NOFILE: Final = 1024
_HARD_NOFILE: Final = 524288


def cgroup_driver(base: HostBase) -> Literal["systemd", "cgroupfs"]:
    """The driver of containerd and kubelet alike.

    On cgroup v2 there is one tree with one writer, systemd, so it must be asked. On v1 and hybrid
    machines systemd is in charge of its own hierarchy only; where it finds the controllers mounted
    read-only (hosts within a host) or does not know them it makes no cgroup in them, and the
    limits of pods would silently not hold. Writing the controllers' trees directly works there.
    """
    return "systemd" if base.cgroup == 2 else "cgroupfs"


def config(spec: Spec, host: str, base: HostBase, pause_image: str) -> str:
    """config.toml. pause_image: reference of the sandbox image, present on the host.

    The sandbox image is pinned both as a name (containerd's own default would be asked for on the
    Internet) and, by pinned_images, against kubelet's image garbage collection.
    """
    systemd = "true" if cgroup_driver(base) == "systemd" else "false"
    # Without CAP_SYS_RESOURCE runc cannot lower oom_score_adj and every container start fails.
    oom = "" if base.can_lower_oom else "  restrict_oom_score_adj = true\n"
    return f"""{banner()}# {host} of the cluster {spec.name}
version = 3

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{pause_image}'

[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = '{paths.CONTAINERD_REGISTRIES}'

[plugins.'io.containerd.cri.v1.runtime']
{oom}
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['{paths.CNI_BIN}']
  conf_dir = '{paths.CNI_CONF}'

[plugins.'io.containerd.cri.v1.runtime'.containerd]
  default_runtime_name = 'runc'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = '{paths.BIN}/runc'
  SystemdCgroup = {systemd}
"""


def unit(base: HostBase) -> str:
    """containerd.service.

    Delegate: containers' cgroups below the unit are not systemd's to move. KillMode=process: a
    restart of containerd leaves the containers running. No limit is over what the host allows.
    """
    hard = min(_HARD_NOFILE, base.hard_nofile)
    oom = "OOMScoreAdjust=-999\n" if base.can_lower_oom else ""
    return f"""{banner()}[Unit]
Description=containerd, the container runtime
Documentation=https://containerd.io
After=network.target local-fs.target dbus.service

[Service]
Type=notify
ExecStartPre=-{base.family.modprobe} overlay
ExecStart={paths.BIN}/containerd --config {paths.CONTAINERD_CONFIG}
Environment=PATH={paths.BIN}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
{proxies.EMPTY}
Delegate=yes
KillMode=process
Restart=always
RestartSec=1
LimitNPROC=infinity
LimitCORE=infinity
LimitNOFILE={min(_SOFT_NOFILE, hard)}:{hard}
TasksMax=infinity
{oom}
[Install]
WantedBy=multi-user.target
"""


def crictl() -> str:
    """/etc/crictl.yaml: without it crictl tries sockets one by one, with a warning for each."""
    return (
        f"{banner()}runtime-endpoint: {paths.CRI_SOCKET}\n"
        f"image-endpoint: {paths.CRI_SOCKET}\n"
        "timeout: 10\n"
    )
