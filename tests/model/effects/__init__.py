"""What each deed does to the simulated hosts, one effect after another.

Every `yield` is a moment at which an operator can be killed or a host lose its power.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kanae.plan import deeds
from kanae.plan.model import Deed, Step

from ..world import World
from . import cluster, host, kubeadm, living, reset
from .base import Effects

EFFECTS: Final[dict[type[Deed], Callable[[World, Step, Any], Effects]]] = {
    deeds.Converge: host.converge,
    deeds.DeliverBinaries: host.binaries,
    deeds.LoadImages: host.images,
    deeds.KubeadmInit: kubeadm.init,
    deeds.MintToken: cluster.mint_token,
    deeds.KubeadmJoin: kubeadm.join,
    deeds.ClearNode: living.clear,
    deeds.ReconfigureControlPlane: living.reconfigure_control_plane,
    deeds.UploadConfig: living.upload_config,
    deeds.ReconfigureKubelet: living.reconfigure_kubelet,
    deeds.Addon: living.addon,
    deeds.ApplyObjects: cluster.apply_objects,
    deeds.SetNode: cluster.set_node,
    deeds.AwaitEtcd: cluster.await_etcd,
    deeds.AwaitApi: cluster.await_api,
    deeds.AwaitNodes: cluster.await_nodes,
    deeds.StopNode: reset.stop_node,
    deeds.RemoveEtcd: reset.remove_etcd,
    deeds.RemoveCluster: reset.remove_cluster,
}
