"""What steps can do. Each has its handler in `kanae.execute.actions`.

None holds a secret: keys and tokens are made or read when an action is carried out and live only in
the run's memory, on their way from host to host.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from kanae.facts.model import ObjectKey
from kanae.plan.model import Action
from kanae.resources.artifact import Binary, Image
from kanae.resources.model import Content, Resource


@dataclass(frozen=True, slots=True)
class Converge(Action):
    """Bring resources about, in order. marks: written first (see `resources.unit.Unit.marks`)."""

    resources: tuple[Resource, ...]
    marks: tuple[Content, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliverBinaries(Action):
    binaries: tuple[Binary, ...]
    marks: tuple[Content, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadImages(Action):
    """Put images into containerd's k8s.io namespace, from one archive that shares their layers.

    unpack: at once, rather than when a container first needs them.
    """

    images: tuple[Image, ...]
    unpack: bool = True


@dataclass(frozen=True, slots=True)
class GatherAuthorities(Action):
    """Have the cluster's certificate authorities and service-account key in the run's memory.

    source: the host to read them from, or "" to make new ones for a new cluster; backup: or to take
    them from this folder on the operator's machine. names: of `kanae.plan.certificates`.
    """

    names: tuple[str, ...]
    source: str = ""
    backup: str = ""


@dataclass(frozen=True, slots=True)
class WriteAuthorities(Action):
    """names: with their keys; public: only their certificates."""

    names: tuple[str, ...]
    public: tuple[str, ...] = ()


class Form(StrEnum):
    """How a certificate lies on a host: its key beside it with the suffix .key; both within a
    kubeconfig; both in one file, as kubelet keeps them."""

    PAIR = "pair"
    KUBECONFIG = "kubeconfig"
    COMBINED = "combined"


@dataclass(frozen=True, slots=True)
class LeafCertificate:
    """path: of the file that holds the certificate. leads, cluster: of a kubeconfig, the URL of its
    server and the cluster's name."""

    path: str
    authority: str
    common_name: str
    organization: str = ""
    sans: tuple[str, ...] = ()
    server: bool = False
    client: bool = False
    form: Form = Form.PAIR
    leads: str = ""
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class IssueCertificates(Action):
    """Issue leaf certificates from authorities in the run's memory and write them to the host.

    marks: names of those that are written before, since what reads a certificate only at its start
    has to begin anew.
    """

    certificates: tuple[LeafCertificate, ...]
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RestartComponents(Action):
    """What reads its certificate only at its start begins anew on the step's host.

    pods: static pods, one after another. kubelet: kubelet before them. renewed: it takes the
    certificate that was issued for it.
    """

    pods: tuple[str, ...]
    kubelet: bool = False
    renewed: bool = False


@dataclass(frozen=True, slots=True)
class RecordIdentity(Action):
    """Write the identity of a new cluster to a host. path: of the mark."""

    path: str


@dataclass(frozen=True, slots=True)
class KubeadmInit(Action):
    """The first control-plane host. config: documents without tokens, as YAML.

    fingerprint, kubelet_fingerprint: recorded on the host on success, see `plan.view`.
    cluster: its name, for the token that later joins use.
    ignored: named preflight checks, of what is expected to be there, see `plan.preflight`.
    """

    config: str
    fingerprint: str
    kubelet_fingerprint: str
    cluster: str
    ignored: tuple[str, ...] = ()
    repeatable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class MintToken(Action):
    """A bootstrap token for joins, made on a control-plane host; lives 30 minutes.

    cluster: its name, for people who see the token.
    """

    cluster: str


@dataclass(frozen=True, slots=True)
class KubeadmJoin(Action):
    """config: documents with placeholders for the token and the CA's hash.

    fingerprint: of a control-plane host's configuration, "worker" for a worker.
    source: a control-plane host that has joined, to read the cluster's authority from.
    ignored: as in KubeadmInit.
    """

    config: str
    fingerprint: str
    kubelet_fingerprint: str
    control_plane: bool
    source: str
    ignored: tuple[str, ...] = ()
    repeatable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class ClearNode(Action):
    """Take away what an interrupted join left on a host, and its Node object.

    control_plane: its authorities are the cluster's and stay; a worker's copy of the certificate
    goes, since a join must not find one.
    etcd_member: peer URL of a stacked member to be removed first, or ""; data_dir: its folder.
    """

    node: str
    via: str
    control_plane: bool
    etcd_member: str = ""
    data_dir: str = ""


@dataclass(frozen=True, slots=True)
class DrainNode(Action):
    """Cordon a node and evict its pods, PodDisruptionBudgets respected, on a control-plane host.

    Pods of DaemonSets and static ones stay. A node that is not Ready is only cordoned: its pods
    cannot tell that they have ended. Nothing where there is no such node. Fails at the step's
    deadline with each pod that is still there and why; at once, before anything is changed, when a
    pod has no controller that would start it elsewhere. Nothing it does is undone on failure: the
    node stays cordoned.
    """

    node: str


@dataclass(frozen=True, slots=True)
class ReleaseVolumes(Action):
    """Taint a node that is certainly off, so that its volumes detach at once and its pods are
    deleted (node.kubernetes.io/out-of-service, "Non-graceful node shutdown" of Kubernetes' docs).

    Waits until they are detached: a Node that is deleted before has no taint that says so. Nothing
    where there is no such node.
    """

    node: str


@dataclass(frozen=True, slots=True)
class DeleteNode(Action):
    """The Node object goes, and with it all pods of the node, mirror pods too: kubeadm counts
    etcd's members by them. The node must have been stopped, or nobody ends what it runs.
    """

    node: str


@dataclass(frozen=True, slots=True)
class MoveLeader(Action):
    """Where this member leads etcd, another one does from now on. peer: URL of the member.

    Asked on a host with a member that stays, a voter, as are RemoveMember, AddMember and
    PromoteMember. Nothing where it is the only voter or no member.
    """

    peer: str


@dataclass(frozen=True, slots=True)
class RemoveMember(Action):
    """The member with this peer URL leaves etcd; nothing where there is none.

    keep: how many voters must be healthy after it, or nothing is removed; a learner always may be.
    Waits until the voters that stay and were healthy are it again.
    """

    peer: str
    keep: int


@dataclass(frozen=True, slots=True)
class AddMember(Action):
    """etcd gets a learner with this peer URL, which has not started yet; nothing where it is listed
    already, as a learner or a voter. Waits until etcd takes one: for 5 s after any restart it
    refuses, and as long as there is another learner or no quorum with the new member counted.
    """

    peer: str


@dataclass(frozen=True, slots=True)
class PromoteMember(Action):
    """The learner with this peer URL becomes a voter, as soon as it is in sync; nothing where it is
    one already. Fails where etcd does not list it.
    """

    peer: str


@dataclass(frozen=True, slots=True)
class ReconfigureControlPlane(Action):
    """Write the static pod manifests again from this configuration, then wait for /readyz.

    address, port: of the host's own API server.
    """

    config: str
    fingerprint: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class UploadConfig(Action):
    """Put the cluster's and the kubelets' configuration into their ConfigMaps."""

    config: str


@dataclass(frozen=True, slots=True)
class ReconfigureKubelet(Action):
    """Fetch the kubelets' configuration anew, apply this host's patches, restart kubelet."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class LeadTo(Action):
    """Kubeconfigs of the step's host name another server, as soon as it answers there.

    server: its URL. kubelet: whether kubelet reads one of them, which it does only at its start.
    """

    server: str
    paths: tuple[str, ...]
    kubelet: bool


@dataclass(frozen=True, slots=True)
class Addon(Action):
    """Apply one of kubeadm's own add-ons again. name: kube-proxy or coredns."""

    name: str
    config: str
    restart: bool = False


@dataclass(frozen=True, slots=True)
class ApplyObjects(Action):
    """Server-side apply. documents: JSON texts of Kubernetes objects."""

    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeleteObjects(Action):
    """Those that are there, one after another. keys: of objects without a namespace."""

    keys: tuple[ObjectKey, ...]


@dataclass(frozen=True, slots=True)
class AwaitGuard(Action):
    """Until each of these API servers keeps itself from saying who is behind the Service
    `kubernetes` (see `render.in_cluster`): a policy takes effect a second or two after it is there.

    servers: their URLs.
    """

    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AwaitProxies(Action):
    """Until the host's kube-proxy leads nobody to one of these by the Service `kubernetes`.

    mode: kube-proxy's. gone: `address:port`.
    """

    mode: str
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetNode(Action):
    """Labels and taints of a Node. unlabel: keys. taints: the whole list, as JSON; "" to leave."""

    node: str
    labels: tuple[tuple[str, str], ...] = ()
    unlabel: tuple[str, ...] = ()
    taints: str = ""


@dataclass(frozen=True, slots=True)
class AwaitEtcd(Action):
    """Until every member answers and they agree on a leader. endpoints: client URLs."""

    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AwaitApi(Action):
    """Until /readyz of this address answers ok, asked from the step's host.

    name: what its certificate has to be good for in place of the address, "" for the address.
    """

    address: str
    port: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class AwaitKubelet(Action):
    """Until kubelet on the step's host says that it is healthy.

    port: of its health check (healthzPort), 0 where it is turned off: then its unit has to run.
    """

    port: int


@dataclass(frozen=True, slots=True)
class AwaitNodes(Action):
    """Until these nodes are Ready and cluster DNS serves, asked on the step's host.

    network: whether kanae brings the pod network; without one nodes are only waited for to be
    there, since they cannot become Ready.
    """

    nodes: tuple[str, ...]
    network: bool = True


@dataclass(frozen=True, slots=True)
class WriteKubeconfig(Action):
    """Merge the administrator's kubeconfig into the one at `path` on the step's host.

    source: a control-plane host to read it from. cluster: the name of its context.
    endpoint: host:port of the API, recorded on the host. owner: user:group of the file.
    """

    source: str
    cluster: str
    path: str
    endpoint: str
    owner: str


@dataclass(frozen=True, slots=True)
class StopApiServer(Action):
    """The API server of the step's host ends in order, for good: it finishes what it was asked, and
    its clients go to others, before anything goes that it needs."""


@dataclass(frozen=True, slots=True)
class StopNode(Action):
    """Stop kubelet, then end every pod of the node."""


@dataclass(frozen=True, slots=True)
class RemoveEtcd(Action):
    """Stop etcd and remove its data. data: the member folder."""

    data: str


@dataclass(frozen=True, slots=True)
class RemoveKubeconfig(Action):
    """Take one cluster's entries out of a kubeconfig; the file goes when nothing is left in it.

    owner: user:group of the file.
    """

    cluster: str
    path: str
    owner: str


@dataclass(frozen=True, slots=True)
class RemoveCluster(Action):
    """Stop and remove units, then files, then folders, in this order.

    patterns: of files and folders among those of others, as the shell expands them. Of these and
    of trees, what was there before kanae stays (see `resources.found`). node: also mounts, network
    links and packet-filter rules that Kubernetes and the pod network left. keep_images: leave
    containerd running with its images.
    """

    units: tuple[str, ...]
    files: tuple[str, ...]
    trees: tuple[str, ...]
    node: bool
    keep_images: bool
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SaveSnapshot(Action):
    """What etcd holds now, saved into a file on the step's host, where a member answers; nothing
    where the file is there already."""

    path: str


@dataclass(frozen=True, slots=True)
class RestoreSnapshot(Action):
    """etcd's data, made from a snapshot beside what the member has. What serves goes on.

    source: the snapshot on the operator's machine; sha256: hex, of its `size` bytes; path: where it
    lies on the host meanwhile. data: etcd's folder. attempt: see `kanae.plan.attempt`. name, peer:
    of the member. members: of the new cluster, as --initial-cluster wants them. bump: by how much
    the revision grows.

    Nothing where the data of this attempt is there, or has been put in its place.
    """

    source: str
    sha256: str
    size: int
    path: str
    data: str
    attempt: str
    name: str
    peer: str
    members: str
    bump: int


@dataclass(frozen=True, slots=True)
class PlaceKeys(Action):
    """A file of the backup that holds keys, put on the step's host for root alone. source: on the
    operator's machine."""

    source: str
    path: str


@dataclass(frozen=True, slots=True)
class Fence(Action):
    """Nothing on the host serves or changes the cluster any more, not after a boot either, until it
    is unfenced: static pods are ended and their manifests put aside, etcd's unit is stopped and
    disabled. kubelet stays stopped where there are static pods; other pods run on.

    pods: names of static pods. etcd: whether etcd is a unit there. record: what the mark says.
    """

    pods: tuple[str, ...]
    etcd: bool
    record: str


@dataclass(frozen=True, slots=True)
class ReplaceData(Action):
    """The data that `RestoreSnapshot` made comes into its place; what was there is put aside.
    Nothing where it is in its place."""

    data: str
    attempt: str


@dataclass(frozen=True, slots=True)
class Unfence(Action):
    """Manifests of these static pods come back and kubelet runs; etcd: its unit is enabled and
    started, without waiting for a quorum."""

    pods: tuple[str, ...]
    etcd: bool = False


@dataclass(frozen=True, slots=True)
class AwaitSameData(Action):
    """Until all members hold the same at one revision, which is at least this one. endpoints:
    client URLs."""

    endpoints: tuple[str, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class RestartAgents(Action):
    """kubelet and these containers of DaemonSets begin anew on the step's host, and ask the API
    servers for everything; all other containers run on. containers: their names."""

    containers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndRestore(Action):
    """The mark says that the restore has ended, and what it sent to the host goes. snapshot: its
    path there, "" where there is none."""

    snapshot: str


@dataclass(frozen=True, slots=True)
class DiscardReplaced(Action):
    """What restores have put aside, or left when they were not gone on with, goes for good. data:
    etcd's folder."""

    data: str
