"""What begins anew with a new certificate."""

from __future__ import annotations

from kanae.execute.events import Outcome
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan import actions
from kanae.plan.model import Step

from ..world import World
from .base import Effects, failed


def restart(world: World, step: Step, action: actions.RestartComponents) -> Effects:
    host = world.hosts[step.host or ""]
    if action.renewed and host.has(at.KUBELET_ISSUED):
        host.write(at.KUBELET_CLIENT, host.text(at.KUBELET_ISSUED), 0o600)
        yield
    if action.kubelet:
        host.start(units.KUBELET)
        host.sync_pods()
        yield
        host.remove(marks.path(marks.RESTART + units.KUBELET))
        yield
    for pod in action.pods:
        if not host.active(units.KUBELET):
            raise failed(step, f"{pod} does not start again")
        host.restart_pod(pod)
        yield
        host.remove(marks.path(marks.RESTART + pod))
        yield
    return Outcome.CHANGED
