"""How each action of a plan is carried out."""

from __future__ import annotations

from collections.abc import Mapping

from kanae.artifacts.archives import Archives
from kanae.artifacts.model import Artifact
from kanae.execute.actions import (
    authorities,
    client,
    cluster,
    hosts,
    kubeadm,
    leaves,
    membership,
    nodes,
    reset,
    restore,
)
from kanae.execute.context import Handler
from kanae.plan import actions
from kanae.plan.model import Action


def handlers(
    artifacts: Mapping[str, Artifact], archives: Archives
) -> Mapping[type[Action], Handler]:
    """One for every action. artifacts, archives: see `hosts.Delivery`."""
    delivery = hosts.Delivery(artifacts, archives)
    return {
        actions.Converge: Handler(hosts.converge),
        actions.DeliverBinaries: Handler(delivery.binaries),
        actions.LoadImages: Handler(delivery.images),
        actions.GatherAuthorities: Handler(authorities.gather),
        actions.WriteAuthorities: Handler(authorities.write),
        actions.RecordIdentity: Handler(authorities.record_identity),
        actions.IssueCertificates: Handler(leaves.issue),
        actions.RestartComponents: Handler(leaves.restart),
        actions.KubeadmInit: Handler(kubeadm.init, kubeadm.joined),
        actions.MintToken: Handler(kubeadm.mint_token),
        actions.KubeadmJoin: Handler(kubeadm.join, kubeadm.joined),
        actions.ClearNode: Handler(kubeadm.clear_node),
        actions.DrainNode: Handler(nodes.drain),
        actions.ReleaseVolumes: Handler(nodes.release_volumes),
        actions.DeleteNode: Handler(nodes.delete),
        actions.MoveLeader: Handler(membership.move_leader),
        actions.RemoveMember: Handler(membership.remove_member),
        actions.AddMember: Handler(membership.add_member),
        actions.PromoteMember: Handler(membership.promote_member),
        actions.ReconfigureControlPlane: Handler(kubeadm.reconfigure_control_plane),
        actions.UploadConfig: Handler(kubeadm.upload_config),
        actions.ReconfigureKubelet: Handler(kubeadm.reconfigure_kubelet),
        actions.Addon: Handler(kubeadm.addon),
        actions.LeadTo: Handler(cluster.lead_to),
        actions.ApplyObjects: Handler(cluster.apply_objects),
        actions.DeleteObjects: Handler(cluster.delete_objects),
        actions.AwaitGuard: Handler(cluster.await_guard),
        actions.AwaitProxies: Handler(cluster.await_proxies),
        actions.SetNode: Handler(cluster.set_node),
        actions.AwaitEtcd: Handler(cluster.await_etcd),
        actions.AwaitApi: Handler(cluster.await_api),
        actions.AwaitKubelet: Handler(cluster.await_kubelet),
        actions.AwaitNodes: Handler(cluster.await_nodes),
        actions.WriteKubeconfig: Handler(client.write),
        actions.StopApiServer: Handler(reset.stop_api_server),
        actions.StopNode: Handler(reset.stop_node),
        actions.RemoveEtcd: Handler(reset.remove_etcd),
        actions.RemoveKubeconfig: Handler(reset.remove_kubeconfig),
        actions.RemoveCluster: Handler(reset.remove_cluster),
        actions.SaveSnapshot: Handler(restore.save_snapshot),
        actions.RestoreSnapshot: Handler(restore.restore_snapshot),
        actions.PlaceKeys: Handler(restore.place_keys),
        actions.Fence: Handler(restore.fence),
        actions.ReplaceData: Handler(restore.replace_data),
        actions.Unfence: Handler(restore.unfence),
        actions.AwaitSameData: Handler(restore.await_same_data),
        actions.RestartAgents: Handler(restore.restart_agents),
        actions.EndRestore: Handler(restore.end),
        actions.DiscardReplaced: Handler(restore.discard),
    }
