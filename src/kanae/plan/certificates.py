"""Every certificate and key of a cluster: the one list of them.

kubeadm's are called as `kubeadm certs` calls them. Their subjects and usages are those of
cmd/kubeadm/app/phases/certs/certlist.go and phases/kubeconfig/kubeconfig.go of Kubernetes v1.37.2;
their names follow the spec. How a new one is read:

- API server: pkg/server/dynamiccertificates of k8s.io/apiserver watches the files of what it shows
  to clients and to aggregated servers, pkg/kubelet/client reloads what it shows to kubelets.
- etcd and its clients: client/pkg/transport of etcd reads both files at each handshake.
- A kubeconfig with the certificate in it: by whoever starts with it, and never again.
- kubelet: client-go's util/certificate renews it by itself when 70 to 90 % of its life have passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kanae.facts.model import CertificateFact, HostFacts, Query
from kanae.layout import paths as at
from kanae.layout import ports
from kanae.plan.actions import Form, LeafCertificate
from kanae.render import api_server, etcd
from kanae.render.kubeadm import endpoint
from kanae.spec.models import EtcdTopology, Role, Spec

# kubeadm's own: CertificateDefaultPeriod (cmd/kubeadm/app/constants).
LIFETIME: Final = timedelta(days=365)
# name -> (public file, private file), as kubeadm names them.
AUTHORITIES: Final[Mapping[str, tuple[str, str]]] = {
    "ca": (f"{at.PKI}/ca.crt", f"{at.PKI}/ca.key"),
    "front-proxy-ca": (f"{at.PKI}/front-proxy-ca.crt", f"{at.PKI}/front-proxy-ca.key"),
    "sa": (at.SERVICE_ACCOUNT_PUBLIC, f"{at.PKI}/sa.key"),
    "etcd-ca": (at.ETCD_CA, f"{at.ETCD_PKI}/ca.key"),
}
CONTROLLER_MANAGER: Final = "kube-controller-manager"
SCHEDULER: Final = "kube-scheduler"
KUBELET: Final = "kubelet"
# What clients' copies of admin.conf are called where one certificate is named.
CLIENTS: Final = "kubeconfig"
_ADMINS: Final = "kubeadm:cluster-admins"
_BY_ITSELF: Final = "by itself, within a minute"
_AT_HANDSHAKES: Final = "at each connection"
_WHEN_USED: Final = "each time that it is used"
_USERS: Final = {
    "ca": "all: issues the API's certificates and its clients'",
    "front-proxy-ca": "aggregated API servers",
    "etcd-ca": "etcd and its clients",
    "sa": "API server and kube-controller-manager: tokens of service accounts",
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """One file, or pair of files, of a host.

    authority: which of `AUTHORITIES` it is itself, "" for a leaf. private: whether the key is there
    too. leaf: how it is issued, None for an authority and for a key. users: who shows or reads it.
    reload: how a new one is read, in words. restart: the static pod that reads it only when it
    starts. by_kubeadm: made when the host joins. optional: not on every host of its roles.
    """

    name: str
    path: str
    users: str
    reload: str
    authority: str = ""
    private: bool = True
    leaf: LeafCertificate | None = None
    restart: str = ""
    by_kubeadm: bool = True
    optional: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        if self.authority:
            public, key = AUTHORITIES[self.authority]
            return (public, key) if self.private else (public,)
        if self.leaf is not None and self.leaf.form is Form.PAIR:
            return (self.path, at.key(self.path))
        return (self.path,)

    @property
    def secret(self) -> str:
        """The file with the private key, "" where that is not on the host."""
        return self.files[-1] if self.private else ""

    @property
    def is_key(self) -> bool:
        """A key pair without a certificate, which never ends."""
        return self.authority == "sa"


def of_host(spec: Spec, host: str) -> tuple[Certificate, ...]:
    """All of a host, in the order in which they are renewed: first what others need."""
    roles = spec.hosts[host].roles
    plane = Role.CONTROL_PLANE in roles
    return (
        *_authorities(spec, host),
        *(_member(spec, host) if host in spec.etcd_hosts else ()),
        *(_control_plane(spec, host) if plane else ()),
        *((_kubelet(host),) if host in spec.nodes else ()),
    )


def leaves(spec: Spec, host: str) -> Iterator[tuple[Certificate, LeafCertificate]]:
    for each in of_host(spec, host):
        if each.leaf is not None:
            yield each, each.leaf


def authorities(spec: Spec, host: str) -> Mapping[str, bool]:
    """Those that kanae puts on a host -> whether with their keys. A worker gets the certificate of
    the cluster's from kubeadm."""
    return {
        each.authority: each.private
        for each in of_host(spec, host)
        if each.authority and not each.by_kubeadm
    }


def names(spec: Spec) -> tuple[str, ...]:
    """All that can be issued anew in this cluster."""
    found = [each.name for host in spec.hosts for each, _ in leaves(spec, host)]
    return tuple(dict.fromkeys((*found, CLIENTS)))


def query(spec: Spec, host: str) -> Query:
    held = of_host(spec, host)
    found = [each.path for each in held if not each.is_key]
    if host in spec.nodes:
        # Where kubelet has not got one of its own yet, this has its first one in it.
        found.append(at.KUBELET_CONF)
    return Query(
        files=tuple(path for each in held for path in each.files), certificates=tuple(found)
    )


def fact(facts: HostFacts, certificate: Certificate) -> CertificateFact | None:
    """The certificate in use on a host."""
    found = facts.certificates.get(certificate.path)
    if found is None and certificate.name == KUBELET:
        return facts.certificates.get(at.KUBELET_CONF)
    return found


def _authorities(spec: Spec, host: str) -> Iterator[Certificate]:
    roles = spec.hosts[host].roles
    stacked = spec.etcd_topology is EtcdTopology.STACKED
    if Role.CONTROL_PLANE in roles:
        for name in ("ca", "front-proxy-ca", "sa"):
            yield _authority(name)
        yield _authority("etcd-ca", private=stacked or Role.ETCD in roles)
    elif host in spec.etcd_hosts:
        yield _authority("etcd-ca")
    if Role.CONTROL_PLANE not in roles and host in spec.nodes:
        yield _authority("ca", private=False, by_kubeadm=True)


def _authority(name: str, *, private: bool = True, by_kubeadm: bool = False) -> Certificate:
    return Certificate(
        name,
        AUTHORITIES[name][0],
        _USERS[name],
        "not replaced by kanae yet",
        authority=name,
        private=private,
        by_kubeadm=by_kubeadm,
    )


def _member(spec: Spec, host: str) -> Iterator[Certificate]:
    stacked = spec.etcd_topology is EtcdTopology.STACKED
    # cmd/kubeadm/app/util/pkiutil, GetEtcdAltNames and GetEtcdPeerAltNames.
    names = (host, "localhost", str(spec.hosts[host].address), "127.0.0.1", "::1")
    server = names if stacked else etcd.server_sans(spec, host)
    peer = names if stacked else etcd.peer_sans(spec, host)
    for name, path, users, sans in (
        ("etcd-server", at.ETCD_SERVER, "etcd, shown to its clients", server),
        ("etcd-peer", at.ETCD_PEER, "etcd, shown to other members", peer),
    ):
        leaf = LeafCertificate(path, "etcd-ca", host, sans=tuple(sans), server=True, client=True)
        yield Certificate(name, path, users, _AT_HANDSHAKES, leaf=leaf, by_kubeadm=stacked)
    probe = LeafCertificate(at.ETCD_PROBE, "etcd-ca", "kube-etcd-healthcheck-client", client=True)
    yield Certificate(
        "etcd-healthcheck-client",
        at.ETCD_PROBE,
        "kanae and backups, shown to etcd",
        _WHEN_USED,
        leaf=probe,
        by_kubeadm=stacked,
    )


def _control_plane(spec: Spec, host: str) -> Iterator[Certificate]:
    stacked = spec.etcd_topology is EtcdTopology.STACKED
    client = LeafCertificate(
        at.ETCD_API_CLIENT, "etcd-ca", "kube-apiserver-etcd-client", client=True
    )
    yield Certificate(
        "apiserver-etcd-client",
        at.ETCD_API_CLIENT,
        "API server, shown to etcd",
        _AT_HANDSHAKES,
        leaf=client,
        by_kubeadm=stacked,
    )
    yield _shown(
        "apiserver",
        "API server, shown to its clients",
        LeafCertificate(
            at.API_SERVER,
            "ca",
            "kube-apiserver",
            sans=api_server.serving_sans(spec, host),
            server=True,
        ),
    )
    yield _shown(
        "apiserver-kubelet-client",
        "API server, shown to kubelets",
        LeafCertificate(
            at.API_KUBELET_CLIENT, "ca", "kube-apiserver-kubelet-client", _ADMINS, client=True
        ),
    )
    yield _shown(
        "front-proxy-client",
        "API server, shown to aggregated API servers",
        LeafCertificate(at.FRONT_PROXY_CLIENT, "front-proxy-ca", "front-proxy-client", client=True),
    )
    yield from _kubeconfigs(spec, host)


def _kubeconfigs(spec: Spec, host: str) -> Iterator[Certificate]:
    for path, who, group, users in (
        (at.ADMIN_CONF, "kubernetes-admin", _ADMINS, "kubectl and kanae"),
        (
            at.SUPER_ADMIN_CONF,
            "kubernetes-super-admin",
            "system:masters",
            "kubeadm, where RBAC does not let it",
        ),
    ):
        yield Certificate(
            path.rpartition("/")[2],
            path,
            users,
            _WHEN_USED,
            leaf=_embedded(spec, path, who, group, f"https://{endpoint(spec)}"),
            # On the host of kubeadm init alone.
            optional=path == at.SUPER_ADMIN_CONF,
        )
    own = f"https://{spec.hosts[host].address}:{ports.API_SERVER}"
    for path, pod in (
        (at.CONTROLLER_MANAGER_CONF, CONTROLLER_MANAGER),
        (at.SCHEDULER_CONF, SCHEDULER),
    ):
        yield Certificate(
            path.rpartition("/")[2],
            path,
            f"{pod}, shown to the host's API server",
            f"when {pod} restarts",
            leaf=_embedded(spec, path, f"system:{pod}", "", own),
            restart=pod,
        )


def _embedded(spec: Spec, path: str, who: str, group: str, leads: str) -> LeafCertificate:
    return LeafCertificate(
        path, "ca", who, group,
        client=True, form=Form.KUBECONFIG, leads=leads, cluster=spec.name,
    )  # fmt: skip


def _shown(name: str, users: str, leaf: LeafCertificate) -> Certificate:
    return Certificate(name, leaf.path, users, _BY_ITSELF, leaf=leaf)


def _kubelet(host: str) -> Certificate:
    leaf = LeafCertificate(
        at.KUBELET_CLIENT,
        "ca",
        f"system:node:{host}",
        "system:nodes",
        client=True,
        form=Form.COMBINED,
    )
    return Certificate(
        KUBELET, at.KUBELET_CLIENT, "kubelet, shown to API servers", "kubelet renews it", leaf=leaf
    )
