"""kubeadm's configuration documents (v1beta4), built as dicts.

Sources: cmd/kubeadm/app/apis/kubeadm/v1beta4/types.go of Kubernetes v1.37.2 for the fields;
docs/configuration.md for why each value is what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kanae.facts.model import HostBase
from kanae.render import paths
from kanae.render.documents import Document, merged, to_yaml
from kanae.render.kubelet_config import kubelet_configuration
from kanae.spec import ports
from kanae.spec.models import EtcdTopology, Role, Spec
from kanae.spec.versions import KUBEADM_API, KubernetesVersion


@dataclass(frozen=True, slots=True)
class JoinSecrets:
    """What a join needs to trust the cluster and to be trusted. ca_cert_hashes: `sha256:<hex>`.

    certificate_key: "" where the certificate authorities are already on the host.
    """

    token: str
    ca_cert_hashes: tuple[str, ...]
    certificate_key: str = ""


# In plans and journals in place of the real ones, which are filled in when a join is carried out.
PLACEHOLDERS: Final = JoinSecrets("@TOKEN@", ("@CA_CERT_HASH@",))

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
        plane: Document = {"localAPIEndpoint": _local_endpoint(spec, host)}
        if secrets.certificate_key:
            plane["certificateKey"] = secrets.certificate_key
        document["controlPlane"] = plane
    return [document]


def endpoint(spec: Spec) -> str:
    """host:port of the API as clients and nodes use it."""
    return f"{spec.endpoint_host}:{spec.endpoint.port}"


def certificate_sans(spec: Spec) -> tuple[str, ...]:
    """Names and addresses of every API server's certificate, the same on all of them.

    So a client may be pointed at any master directly, and 127.0.0.1 serves probes on the host.
    """
    planes = spec.having(Role.CONTROL_PLANE)
    names = [
        "localhost",
        "127.0.0.1",
        str(spec.endpoint_address),
        spec.endpoint_host,
        *(text for name in planes for text in (name, str(spec.hosts[name].address))),
        *spec.api_server.cert_sans,
    ]
    return tuple(dict.fromkeys(names))


def cluster_configuration(spec: Spec) -> Document:
    return {
        "apiVersion": KUBEADM_API,
        "kind": "ClusterConfiguration",
        "clusterName": spec.name,
        "kubernetesVersion": spec.version,
        "controlPlaneEndpoint": endpoint(spec),
        "networking": {
            "podSubnet": str(spec.networks.pods),
            "serviceSubnet": str(spec.networks.services),
            "dnsDomain": spec.networks.dns_domain,
        },
        "etcd": _etcd(spec),
        "apiServer": {
            "certSANs": list(certificate_sans(spec)),
            "extraArgs": _arguments(api_server_arguments(spec)),
        },
        "controllerManager": {"extraArgs": _arguments(spec.controller_manager.extra_args)},
        "scheduler": {"extraArgs": _arguments(spec.scheduler.extra_args)},
    }


def api_server_arguments(spec: Spec) -> dict[str, str]:
    """kanae's defaults with the spec's on top.

    Only where other API servers take over: with one, a delayed stop is a longer outage, and
    --goaway-chance is for clusters behind a balancer only, as its own help says.
    """
    defaults: dict[str, str] = {}
    if len(spec.having(Role.CONTROL_PLANE)) > 1:
        # /readyz fails at once and requests are served on: the balancer's checks (some 500 ms
        # apart) and kube-proxy take the server out before it refuses anybody.
        defaults["shutdown-delay-duration"] = "5s"
        # A request that comes even later is told to retry elsewhere and not cut.
        defaults["shutdown-send-retry-after"] = "true"
        # One request in a thousand makes its client reconnect, so that connections spread again
        # over all API servers after one has returned.
        defaults["goaway-chance"] = "0.001"
    return defaults | spec.api_server.extra_args


def api_server_patch(spec: Spec) -> str | None:
    """Patch of the API server's static pod; None where its own 30 s to stop suffice.

    kubelet kills what has not ended after terminationGracePeriodSeconds: the delay above and
    the 60 s that a request may take (--request-timeout) must fit in.
    """
    if len(spec.having(Role.CONTROL_PLANE)) < 2:
        return None
    return to_yaml([{"spec": {"terminationGracePeriodSeconds": 65}}])


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
    return [
        {"key": taint.key, "effect": taint.effect}
        | ({} if taint.value is None else {"value": taint.value})
        for taint in spec.taints_of(host)
    ]


def ignored_preflight_errors(spec: Spec, base: HostBase) -> tuple[str, ...]:
    """Named checks that must fail on this host although it is fit.

    SystemVerification: on cgroup v1 it fails since 1.35 whatever kubelet is told by failCgroupV1,
    and says itself that it has to be skipped (k8s.io/system-validators, cgroup validator).
    Nothing for swap: that check only warns.
    """
    version = KubernetesVersion.parse(spec.version)
    if base.cgroup == 1 and version.fails_on_cgroup_v1 and spec.policies.allow_cgroup_v1:
        return ("SystemVerification",)
    return ()


def _local_endpoint(spec: Spec, host: str) -> Document:
    return {
        "advertiseAddress": str(spec.hosts[host].address),
        "bindPort": ports.API_SERVER,
    }


def _arguments(arguments: Mapping[str, str]) -> list[Document]:
    return [{"name": name, "value": value} for name, value in arguments.items()]


def _etcd(spec: Spec) -> Document:
    if spec.etcd_topology is EtcdTopology.EXTERNAL:
        # One address, the same on every host: the balancer on the host itself, which prefers
        # another member on each (see render/haproxy.py).
        return {
            "external": {
                "endpoints": [f"https://127.0.0.1:{paths.ETCD_BALANCER_PORT}"],
                "caFile": paths.ETCD_CA,
                "certFile": paths.ETCD_API_CLIENT,
                "keyFile": paths.ETCD_API_CLIENT.removesuffix(".crt") + ".key",
            }
        }
    return {
        "local": {
            "dataDir": str(spec.etcd.data_dir),
            "extraArgs": _arguments(stacked_etcd_arguments(spec)),
        }
    }
