"""systemd units on the hosts, by name."""

from __future__ import annotations

from typing import Final

CONTAINERD: Final = "containerd.service"
KUBELET: Final = "kubelet.service"
RESOLVED: Final = "systemd-resolved.service"
ETCD: Final = "etcd.service"
# On control-plane hosts in front of external etcd.
ETCD_BALANCER: Final = "kanae-etcd-balancer.service"
# On hosts with a member of etcd: ends what waits for a leader that is dead.
ETCD_FAILOVER: Final = "kanae-etcd-failover.service"
# For minutes: a member that is tried out beside the living one.
ETCD_SCRATCH: Final = "kanae-etcd-scratch.service"
# Opens an API server's port to nginx only while it is ready.
GATE: Final = "kanae-apiserver-gate.service"
# On control-plane hosts: an orderly end of the API server when the host is shut down.
SHUTDOWN: Final = "kanae-shutdown.service"

# On hosts with etcd that make backups by themselves.
BACKUP: Final = "kanae-backup.service"
BACKUP_TIMER: Final = "kanae-backup.timer"


def balancer(cluster: str) -> str:
    """One for each cluster, so that several on one balancer host do not disturb each other."""
    return f"kanae-balancer-{cluster}.service"


def watch(cluster: str) -> str:
    """Beside nginx: keeps it from API servers that stand still."""
    return f"kanae-watch-{cluster}.service"


def keepalived(cluster: str) -> str:
    return f"kanae-keepalived-{cluster}.service"


def tickle(cluster: str) -> str:
    """Ends what clients wait for when a virtual address has come from another balancer."""
    return f"kanae-tickle-{cluster}.service"


def hand_over(cluster: str) -> str:
    """On a balancer that gives a virtual address up: keeps it for its clients for a while."""
    return f"kanae-hand-over-{cluster}.service"


def pass_on(cluster: str) -> str:
    """On the others meanwhile: what belongs to such connections goes on to that balancer."""
    return f"kanae-pass-on-{cluster}.service"


def settings(cluster: str) -> str:
    """Kernel settings after a boot, whatever other files say; of each cluster on a shared host."""
    return f"kanae-settings-{cluster}.service"
