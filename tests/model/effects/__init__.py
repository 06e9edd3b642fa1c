"""What each action does to the simulated hosts, one effect after another.

Every `yield` is a moment at which an operator can be killed or a host lose its power.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kanae.plan import actions
from kanae.plan.model import Action, Step

from ..world import World
from . import certificates, cluster, host, kubeadm, living, membership, reset, restore
from .base import Effects

EFFECTS: Final[dict[type[Action], Callable[[World, Step, Any], Effects]]] = {
    actions.Converge: host.converge,
    actions.DeliverBinaries: host.binaries,
    actions.LoadImages: host.images,
    actions.RestartComponents: certificates.restart,
    actions.KubeadmInit: kubeadm.init,
    actions.MintToken: cluster.mint_token,
    actions.KubeadmJoin: kubeadm.join,
    actions.ClearNode: living.clear,
    actions.DrainNode: membership.drain,
    actions.ReleaseVolumes: membership.release_volumes,
    actions.DeleteNode: membership.delete_node,
    actions.MoveLeader: membership.move_leader,
    actions.RemoveMember: membership.remove_member,
    actions.AddMember: membership.add_member,
    actions.PromoteMember: membership.promote_member,
    actions.ReconfigureControlPlane: living.reconfigure_control_plane,
    actions.UploadConfig: living.upload_config,
    actions.ReconfigureKubelet: living.reconfigure_kubelet,
    actions.Addon: living.addon,
    actions.ApplyObjects: cluster.apply_objects,
    actions.LeadTo: cluster.lead_to,
    actions.DeleteObjects: cluster.delete_objects,
    actions.AwaitGuard: cluster.await_guard,
    actions.AwaitProxies: cluster.await_proxies,
    actions.SetNode: cluster.set_node,
    actions.AwaitEtcd: cluster.await_etcd,
    actions.AwaitApi: cluster.await_api,
    actions.AwaitKubelet: cluster.await_kubelet,
    actions.AwaitNodes: cluster.await_nodes,
    actions.StopApiServer: reset.stop_api_server,
    actions.StopNode: reset.stop_node,
    actions.RemoveEtcd: reset.remove_etcd,
    actions.RemoveCluster: reset.remove_cluster,
    actions.SaveSnapshot: restore.save_snapshot,
    actions.RestoreSnapshot: restore.restore_snapshot,
    actions.PlaceKeys: restore.place_keys,
    actions.Fence: restore.fence,
    actions.ReplaceData: restore.replace_data,
    actions.Unfence: restore.unfence,
    actions.AwaitSameData: restore.await_same_data,
    actions.RestartAgents: restore.restart_agents,
    actions.EndRestore: restore.end,
    actions.DiscardReplaced: restore.discard,
}
