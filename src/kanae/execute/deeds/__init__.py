"""How each deed of a plan is carried out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kanae.artifacts.model import Artifact
from kanae.execute.context import Handler
from kanae.execute.deeds import authorities, client, cluster, hosts, kubeadm, reset
from kanae.plan import deeds
from kanae.plan.model import Deed


def handlers(artifacts: Mapping[str, Artifact], folder: Path) -> Mapping[type[Deed], Handler]:
    """One for every deed. folder: for image archives, see `hosts.Delivery`."""
    delivery = hosts.Delivery(artifacts, folder)
    return {
        deeds.Converge: Handler(hosts.converge),
        deeds.DeliverBinaries: Handler(delivery.binaries),
        deeds.LoadImages: Handler(delivery.images),
        deeds.GatherAuthorities: Handler(authorities.gather),
        deeds.WriteAuthorities: Handler(authorities.write),
        deeds.IssueCertificates: Handler(authorities.issue),
        deeds.KubeadmInit: Handler(kubeadm.init, kubeadm.joined),
        deeds.MintToken: Handler(kubeadm.mint_token),
        deeds.KubeadmJoin: Handler(kubeadm.join, kubeadm.joined),
        deeds.ClearNode: Handler(kubeadm.clear),
        deeds.ReconfigureControlPlane: Handler(kubeadm.reconfigure_control_plane),
        deeds.UploadConfig: Handler(kubeadm.upload_config),
        deeds.ReconfigureKubelet: Handler(kubeadm.reconfigure_kubelet),
        deeds.Addon: Handler(kubeadm.addon),
        deeds.ApplyObjects: Handler(cluster.apply_objects),
        deeds.SetNode: Handler(cluster.set_node),
        deeds.AwaitEtcd: Handler(cluster.await_etcd),
        deeds.AwaitApi: Handler(cluster.await_api),
        deeds.AwaitNodes: Handler(cluster.await_nodes),
        deeds.WriteKubeconfig: Handler(client.write),
        deeds.StopNode: Handler(reset.stop_node),
        deeds.RemoveEtcd: Handler(reset.remove_etcd),
        deeds.RemoveKubeconfig: Handler(reset.remove_kubeconfig),
        deeds.RemoveCluster: Handler(reset.remove_cluster),
    }
