"""The scripts that a plan would have hosts run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from kanae.execute.scripts import clear, etcd, images, kubeadm, kubectl, reset, resources
from kanae.plan import actions
from kanae.plan.model import Action, Plan

_LIMIT: Final = 60.0
_SCRIPTS: Final[dict[type[Action], Callable[[Any], str]]] = {
    actions.Converge: resources.apply,
    actions.LoadImages: lambda action: images.pin(action.images),
    actions.KubeadmInit: lambda action: kubeadm.init(action, _LIMIT),
    actions.KubeadmJoin: lambda action: kubeadm.join(action, _LIMIT),
    actions.ReconfigureControlPlane: lambda action: kubeadm.reconfigure_control_plane(
        action, _LIMIT
    ),
    actions.ReconfigureKubelet: lambda action: kubeadm.reconfigure_kubelet(action, _LIMIT),
    actions.Addon: lambda action: kubeadm.addon(action, _LIMIT),
    actions.ClearNode: lambda action: clear.host(action, _LIMIT),
    actions.SetNode: kubectl.set_node,
    actions.AwaitApi: kubectl.ready,
    actions.AwaitKubelet: kubectl.kubelet_healthy,
    actions.AwaitEtcd: etcd.health,
    actions.RemoveEtcd: reset.remove_etcd,
    actions.RemoveCluster: reset.remove_cluster,
}


def of(plan: Plan) -> Iterator[str]:
    for step in plan:
        render = _SCRIPTS.get(type(step.action))
        if render is not None:
            yield render(step.action)
