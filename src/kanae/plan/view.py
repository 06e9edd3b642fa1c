"""What planning looks at: spec, facts and artifacts together, with the questions asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kanae.artifacts.catalogue import Release
from kanae.artifacts.model import Artifact
from kanae.artifacts.named import LocalArchive
from kanae.facts.model import ApiFact, Facts, HostFacts
from kanae.spec.models import EtcdTopology, Role, Spec

# Names of kanae's records on a host, below /var/lib/kanae/marks.
CLUSTER = "cluster"  # the cluster's name: this host is its, and no other cluster's
MEMBER = "cluster-"  # followed by the cluster's name, on hosts that several clusters may share
JOINED = "joined"  # fingerprint of the configuration with which kubeadm init or join succeeded
MANIFESTS = "manifests"  # `sha256sum` of the static pod manifests as kubeadm wrote them
KUBELET = "kubelet"  # fingerprint of kubelet's configuration, then `sha256sum` of config.yaml
INIT_STARTED = "init-started"  # kubeadm init was begun here; whether it succeeded, JOINED tells

RESETTING = "resetting"  # a reset was begun here and has not ended


def shared(spec: Spec, host: str) -> bool:
    """Whether several clusters may use this host: balancers and clients are told apart by name."""
    return not {Role.CONTROL_PLANE, Role.WORKER, Role.ETCD} & set(spec.hosts[host].roles)


@dataclass(frozen=True, slots=True)
class View:
    """artifacts: those in the cache, by Artifact.id; one that is missing prints as not yet had.

    objects: the documents of the pod network, and of manifests that the spec names.
    """

    spec: Spec
    release: Release
    facts: Facts
    artifacts: Mapping[str, Artifact]
    archives: tuple[LocalArchive, ...] = ()
    manifests: tuple[Mapping[str, object], ...] = field(default=())

    def host(self, name: str) -> HostFacts:
        return self.facts.hosts[name]

    def mark(self, host: str, mark: str) -> str | None:
        """A record on a host; None when there is none or the host cannot be reached."""
        facts = self.facts.hosts.get(host)
        return None if facts is None else facts.marks.get(mark)

    def joined(self, host: str) -> bool:
        return self.mark(host, JOINED) is not None

    def ours(self, host: str) -> bool:
        """Whether kanae has begun to make this host a part of this cluster."""
        marks = self.facts.hosts[host].marks
        return marks.get(CLUSTER, "").strip() == self.spec.name or MEMBER + self.spec.name in marks

    @property
    def reachable(self) -> tuple[str, ...]:
        return tuple(host for host in self.spec.hosts if host in self.facts.hosts)

    @property
    def control_planes(self) -> tuple[str, ...]:
        return self.spec.having(Role.CONTROL_PLANE)

    @property
    def etcd_hosts(self) -> tuple[str, ...]:
        """Hosts with an etcd member: of the role when external, control-plane ones when stacked."""
        external = self.spec.etcd_topology is EtcdTopology.EXTERNAL
        return self.spec.having(Role.ETCD) if external else self.control_planes

    @property
    def external(self) -> bool:
        return self.spec.etcd_topology is EtcdTopology.EXTERNAL

    @property
    def alive(self) -> tuple[str, ...]:
        """Control-plane hosts that have joined: any of them can serve for the others."""
        return tuple(host for host in self.control_planes if self.joined(host))

    @property
    def api(self) -> ApiFact | None:
        return self.facts.api
