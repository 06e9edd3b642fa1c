"""kubeadm's configuration documents (v1beta4), built as dicts.

Sources: cmd/kubeadm/app/apis/kubeadm/v1beta4/types.go of Kubernetes v1.37.2 for the fields;
docs/configuration.md for why each value is what it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from kanae.facts.model import HostBase, ObjectKey
from kanae.layout import paths, ports
from kanae.render import api_server
from kanae.render.documents import Document, from_yaml, merged
from kanae.render.kubelet_config import (
    kubelet_configuration,
    tolerates_cgroup_v1,
)
from kanae.spec import patience
from kanae.spec.models import EtcdTopology, Spec
from kanae.spec.versions import KUBEADM_API


@dataclass(frozen=True, slots=True)
class JoinSecrets:
    """What a join needs to trust the cluster and to be trusted. ca_cert_hashes: `sha256:<hex>`."""

    token: str
    ca_cert_hashes: tuple[str, ...]


# In plans and journals in place of the real ones, which are filled in when a join is carried out.
PLACEHOLDERS: Final = JoinSecrets("@TOKEN@", ("@CA_CERT_HASH@",))

# Where kubeadm keeps in the cluster what it was told: object, field of its data, document's kind.
CONFIG_MAPS: Final = (
    (
        ObjectKey("configmaps", "kube-system", "kubeadm-config"),
        "ClusterConfiguration",
        "ClusterConfiguration",
    ),
    (ObjectKey("configmaps", "kube-system", "kubelet-config"), "kubelet", "KubeletConfiguration"),
)

# init's own token is not used: joins get tokens of their own. Short, because init prints it.
_INIT_TOKEN_TTL: Final = "10m0s"  # noqa: S105 - a duration
# kubeadm's default of 1 minute would end a join during a failover of balancer and etcd together.
_API_CALL_TIMEOUT: Final = "2m0s"


def init_documents(spec: Spec, host: str, base: HostBase) -> list[Document]:
    """For `kubeadm init` on the first control-plane host, and for its phases on any of them."""
    return [
        {
            "apiVersion": KUBEADM_API,
            "kind": "InitConfiguration",
            "bootstrapTokens": [{"ttl": _INIT_TOKEN_TTL}],
            "localAPIEndpoint": _local_endpoint(spec, host),
            "nodeRegistration": node_registration(spec, host, base),
            "patches": {"directory": paths.PATCHES},
            "timeouts": {"kubernetesAPICall": _API_CALL_TIMEOUT},
        },
        cluster_configuration(spec),
        kubelet_configuration(spec),
        proxy_configuration(spec),
    ]


def join_documents(
    spec: Spec, host: str, base: HostBase, control_plane: bool, secrets: JoinSecrets = PLACEHOLDERS
) -> list[Document]:
    """For `kubeadm join`, through the endpoint. Everything else comes from the cluster itself."""
    document: Document = {
        "apiVersion": KUBEADM_API,
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "apiServerEndpoint": endpoint(spec),
                "token": secrets.token,
                "caCertHashes": list(secrets.ca_cert_hashes),
            }
        },
        "nodeRegistration": node_registration(spec, host, base),
        "patches": {"directory": paths.PATCHES},
        "timeouts": {"kubernetesAPICall": _API_CALL_TIMEOUT},
    }
    if control_plane:
        document["controlPlane"] = {"localAPIEndpoint": _local_endpoint(spec, host)}
    return [document]


def upgrade_documents(spec: Spec, host: str, base: HostBase, *, etcd: bool) -> list[Document]:
    """For `kubeadm upgrade` of a control-plane host. It takes what is said of the cluster from the
    ConfigMap; the first two are for the certificate that is made before. etcd: whether it moves the
    member of etcd that it runs there."""
    init, cluster, *_ = init_documents(spec, host, base)
    upgrade: Document = {
        "apiVersion": KUBEADM_API,
        "kind": "UpgradeConfiguration",
        "apply": {"kubernetesVersion": spec.version, **_of_upgrade(spec, base, etcd)},
        "node": _of_upgrade(spec, base, etcd),
        "timeouts": {"kubernetesAPICall": _API_CALL_TIMEOUT},
    }
    return [init, cluster, upgrade]


def _of_upgrade(spec: Spec, base: HostBase, etcd: bool) -> Document:
    """What `kubeadm upgrade apply` and `kubeadm upgrade node` take alike."""
    document: Document = {
        "certificateRenewal": True,
        "etcdUpgrade": etcd,
        "imagePullPolicy": "IfNotPresent",
        "patches": {"directory": paths.PATCHES},
    }
    if ignored := ignored_preflight_errors(spec, base):
        document["ignorePreflightErrors"] = list(ignored)
    return document


def endpoint(spec: Spec) -> str:
    """host:port of the API as clients and nodes use it."""
    return f"{spec.endpoint_host}:{spec.endpoint.port}"


def cluster_configuration(spec: Spec) -> Document:
    return {
        "apiVersion": KUBEADM_API,
        "kind": "ClusterConfiguration",
        "clusterName": spec.name,
        # As the authorities'. RSA, kubeadm's default, was an eighth of the work of an API server
        # with some 27 new connections a second (profiled: 0.28 of 2.32 s), and all clients shake
        # hands anew when a master is lost.
        "encryptionAlgorithm": "ECDSA-P256",
        "kubernetesVersion": spec.version,
        "controlPlaneEndpoint": endpoint(spec),
        "networking": {
            "podSubnet": str(spec.networks.pods),
            "serviceSubnet": str(spec.networks.services),
            "dnsDomain": spec.networks.dns_domain,
        },
        "etcd": _etcd(spec),
        "apiServer": {
            "certSANs": list(api_server.certificate_sans(spec)),
            **_extra_args(api_server.arguments(spec)),
        },
        "controllerManager": _extra_args(patience.controller_manager(spec)),
        "scheduler": _extra_args(patience.scheduler(spec)),
    }


def fixed(spec: Spec) -> str:
    """Of ClusterConfiguration what cannot be changed while the cluster lives, as JSON: it is kept
    on control-plane hosts, for when no API server answers."""
    config = cluster_configuration(spec)
    kept = ("clusterName", "controlPlaneEndpoint", "networking")
    etcd: Document = {name: {} for name in cast("Document", config["etcd"])}
    return json.dumps({**{name: config[name] for name in kept}, "etcd": etcd}, indent=1) + "\n"


def stacked_etcd_arguments(spec: Spec) -> dict[str, str]:
    """Arguments of kubeadm's own etcd beyond kubeadm's; the spec's on top."""
    return {
        "heartbeat-interval": str(spec.etcd.heartbeat_interval),
        "election-timeout": str(spec.etcd.election_timeout),
        # InitialCorruptCheck is kubeadm's own and is lost when the argument is said again;
        # CompactHashCheck compares the members' hashes at every compaction.
        "feature-gates": "InitialCorruptCheck=true,CompactHashCheck=true",
        "quota-backend-bytes": str(8 * 2**30),
    } | spec.etcd.extra_args


def proxy_configuration(spec: Spec) -> Document:
    """The conntrack limits stay the machine's own.

    Their sysctls belong to the kernel and not to a network namespace: kube-proxy (1.36 and later)
    does not start where it may not write them, and where it may it overrides what an operator has
    set. 0 leaves each alone.

    tcpBeLiberal (1.29 and later; its sysctl is each network namespace's own): what a balancer sends
    to clients of a virtual address that it takes over (`render/tickle.py`) has numbers outside of
    any window. To a client behind the Service address it must be translated back, which conntrack
    does to no packet that it finds invalid.
    """
    document: Document = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": spec.kube_proxy.mode.value,
        "clusterCIDR": str(spec.networks.pods),
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
            **({"tcpBeLiberal": True} if spec.virtual_addresses else {}),
        },
    }
    return merged(document, spec.kube_proxy.settings)


def node_registration(spec: Spec, host: str, base: HostBase) -> Document:
    registration: Document = {
        "name": host,
        "criSocket": paths.CRI_SOCKET,
        # An empty list is not the same as none: kubeadm would add its default.
        "taints": taints(spec, host),
        # Images come with the hosts' artifacts; a registry is asked only for what is missing.
        "imagePullPolicy": "IfNotPresent",
    }
    if ignored := ignored_preflight_errors(spec, base):
        registration["ignorePreflightErrors"] = list(ignored)
    return registration


def taints(spec: Spec, host: str) -> list[Document]:
    """The host's taints as Kubernetes has them."""
    documents: list[Document] = []
    for taint in spec.taints_of(host):
        document: Document = {"key": taint.key, "effect": taint.effect}
        if taint.value is not None:
            document["value"] = taint.value
        documents.append(document)
    return documents


def ignored_preflight_errors(spec: Spec, base: HostBase) -> tuple[str, ...]:
    """Named checks that must fail on this host although it is fit.

    SystemVerification: on cgroup v1 it fails since 1.35 whatever kubelet is told by failCgroupV1,
    and says itself that it has to be skipped (k8s.io/system-validators, cgroup validator).
    Nothing for swap: that check only warns.
    """
    return ("SystemVerification",) if tolerates_cgroup_v1(spec, base) else ()


def held(live: Mapping[str, object] | None, field: str) -> Document:
    """The document in a field of a ConfigMap's data; empty when there is none."""
    data = cast("Mapping[str, object]", (live or {}).get("data") or {})
    document = from_yaml(str(data.get(field, "")))
    return document if document is not None else {}


def _local_endpoint(spec: Spec, host: str) -> Document:
    return {
        "advertiseAddress": str(spec.hosts[host].address),
        "bindPort": ports.API_SERVER,
    }


def _extra_args(arguments: Mapping[str, str]) -> Document:
    """Nothing when there are none: kubeadm drops empty lists when it writes its ConfigMap. By name,
    so that the order in which a spec says them restarts nothing."""
    listed = [{"name": name, "value": value} for name, value in sorted(arguments.items())]
    return {"extraArgs": listed} if listed else {}


def _etcd(spec: Spec) -> Document:
    if spec.etcd_topology is EtcdTopology.EXTERNAL:
        # One address, the same on every host: the balancer on the host itself, which prefers
        # another member on each (see render/haproxy.py).
        return {
            "external": {
                "endpoints": [f"https://127.0.0.1:{ports.ETCD_BALANCER}"],
                "caFile": paths.ETCD_CA,
                "certFile": paths.ETCD_API_CLIENT,
                "keyFile": paths.key(paths.ETCD_API_CLIENT),
            }
        }
    return {
        "local": {
            "dataDir": str(spec.etcd.data_dir),
            **_extra_args(stacked_etcd_arguments(spec)),
        }
    }
