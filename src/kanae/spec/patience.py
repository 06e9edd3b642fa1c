"""How long a cluster waits for a part of its own before it takes that part for lost: kanae's
defaults with the spec's own values on top. Reasons: docs/configuration.md.

Sources: client-go tools/leaderelection, component-base config/v1alpha1/defaults.go.
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


def controller_manager(spec: Spec) -> dict[str, str]:
    """Arguments of kube-controller-manager."""
    return _leases(spec) | spec.controller_manager.extra_args


def scheduler(spec: Spec) -> dict[str, str]:
    """Arguments of kube-scheduler."""
    return _leases(spec) | spec.scheduler.extra_args


def lease(spec: Spec, said: Mapping[str, str]) -> dict[str, str]:
    """The lease's three durations as a component has them. said: its arguments in the spec."""
    settled = {**_ALONE, **_leases(spec), **said}
    return {name: settled[name] for name in _ALONE}


def _leases(spec: Spec) -> dict[str, str]:
    return dict(_SEVERAL) if len(spec.having(Role.CONTROL_PLANE)) > 1 else {}
