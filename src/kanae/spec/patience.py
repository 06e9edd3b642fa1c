"""How long a cluster waits for a part of its own before it takes that part for lost: kanae's
defaults with the spec's own values on top. Reasons: docs/configuration.md.

Sources: client-go tools/leaderelection, component-base config/v1alpha1/defaults.go; of kubelet
pkg/kubelet/kubelet.go (nodeLeaseRenewIntervalFraction), pkg/controller/nodelifecycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kanae.spec.models import Role, Spec

LEASE: Final = "leader-elect-lease-duration"
RENEWAL: Final = "leader-elect-renew-deadline"
RETRY: Final = "leader-elect-retry-period"

# Kubernetes' own. A lone candidate keeps them: nobody waits to take over from it.
_ALONE: Final[Mapping[str, str]] = {LEASE: "15s", RENEWAL: "10s", RETRY: "2s"}
# The next one begins within 6.2 s of the holder's end: the lease, and up to 2.2 retry periods each
# until it has seen the last renewal and until it asks again.
_SEVERAL: Final[Mapping[str, str]] = {LEASE: "4s", RENEWAL: "3s", RETRY: "500ms"}

# A kubelet leaves a connection on which nothing came for the first and no answer to a ping for the
# second, seconds; Kubernetes' own are 30 and 15.
READ_IDLE: Final = 5
PING: Final = 3
# Kubelet's field: seconds, of which it renews its lease each quarter.
NODE_LEASE: Final = "nodeLeaseDurationSeconds"
KUBELET: Final[Mapping[str, int]] = {NODE_LEASE: 20}
GRACE: Final = "node-monitor-grace-period"
_MONITOR: Final[Mapping[str, str]] = {GRACE: "24s", "node-monitor-period": "2s"}
# Of the API server, for pods that do not say themselves how long they stay, seconds.
TOLERATIONS: Final = (
    "default-not-ready-toleration-seconds",
    "default-unreachable-toleration-seconds",
)
_TOLERATION: Final = "12"


def controller_manager(spec: Spec) -> dict[str, str]:
    """Arguments of kube-controller-manager."""
    return _leases(spec) | _MONITOR | spec.controller_manager.extra_args


def tolerations(spec: Spec) -> dict[str, str]:
    """Arguments of the API server: how long pods stay on a node that is not heard of.

    Kubernetes' own, 300 s, where the loss of one host can silence kubelets while a controller
    manager goes on: all pods of healthy workers would be taken for lost with a lone balancer.
    """
    balancers, planes = len(spec.having(Role.LOAD_BALANCER)), len(spec.having(Role.CONTROL_PLANE))
    if balancers > 1 or (not balancers and planes == 1):
        return dict.fromkeys(TOLERATIONS, _TOLERATION)
    return {}


def scheduler(spec: Spec) -> dict[str, str]:
    """Arguments of kube-scheduler."""
    return _leases(spec) | spec.scheduler.extra_args


def lease(spec: Spec, said: Mapping[str, str]) -> dict[str, str]:
    """The lease's three durations as a component has them. said: its arguments in the spec."""
    settled = {**_ALONE, **_leases(spec), **said}
    return {name: settled[name] for name in _ALONE}


def _leases(spec: Spec) -> dict[str, str]:
    return dict(_SEVERAL) if len(spec.having(Role.CONTROL_PLANE)) > 1 else {}
