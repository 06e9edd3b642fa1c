"""How a cluster is: from facts to what `kanae status` shows. Pure; needs no API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kanae.facts.balancer import Backend, BalancerQuery
from kanae.facts.model import ApiFact, Facts, ObjectKey, Query
from kanae.facts.nodes import kubelet_version, readiness
from kanae.facts.workloads import Serving, serving, workloads
from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan import certificates as listed
from kanae.spec.models import Balancer, Role, Spec
from kanae.verify.backups import BackupStatus, backup_query, backup_status, backup_words
from kanae.verify.certificates import CertificateStatus, certificates, words


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """ready: None when the API does not tell."""

    host: str
    ready: bool | None
    kubelet: str
    roles: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """lag: entries of the raft log that this member is behind the furthest one. Sizes in bytes.
    healthy: it answers, knows a leader and reports no error."""

    host: str
    healthy: bool
    leader: bool
    learner: bool
    version: str
    lag: int
    size: int
    in_use: int
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkloadStatus:
    """Pods that a cluster cannot do without: DNS, service addresses, the pod network.

    name: with its namespace. serving: None when the API does not tell; problem then says why.
    """

    name: str
    serving: Serving | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Unreachable:
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Status:
    """drift: changes that apply would make, None when that cannot be told. unreachable: by host.
    units: units of ours that do not run, as (host, unit, state). differs: those changes by host
    ("cluster" for what is no host's), each as "update file /etc/hosts"."""

    cluster: str
    api: bool
    version: str
    nodes: tuple[NodeStatus, ...]
    workloads: tuple[WorkloadStatus, ...]
    etcd: tuple[MemberStatus, ...]
    balancers: Mapping[str, tuple[Backend, ...]]
    certificates: tuple[CertificateStatus, ...]
    units: tuple[tuple[str, str, str], ...]
    unreachable: Mapping[str, Unreachable]
    drift: int | None
    differs: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    backup: BackupStatus | None = None

    @property
    def healthy(self) -> bool:
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not healthy, one a line."""
        return tuple(self._reasons())

    def _reasons(self) -> Iterator[str]:
        if not self.api:
            yield "no API server is ready"
        for host, lost in self.unreachable.items():
            yield f"{host}: {lost.why}"
        for host, unit, state in self.units:
            yield f"{host}: {unit} is {state}"
        for node in self.nodes:
            if not node.ready:
                yield f"node {node.host} is not ready: {node.problem}"
        for workload in self.workloads:
            if workload.serving is None or not workload.serving.all:
                yield f"{workload.name}: {workload.problem or workload.serving}"
        for member in self.etcd:
            if not member.healthy:
                yield f"etcd on {member.host} is not healthy: {', '.join(member.errors)}"
        for host, backends in self.balancers.items():
            for backend in backends:
                if not backend.up:
                    yield f"{host}: backend {backend.name} is {backend.state}"
        for certificate in self.certificates:
            if certificate.ended:
                yield f"{certificate.host}: {words(certificate)}"
        if self.backup is not None:
            yield from backup_words(self.backup)


def status_query(spec: Spec, host: str) -> Query:
    roles = spec.hosts[host].roles
    master = Role.CONTROL_PLANE in roles
    member = spec.etcd_role in roles
    return Query(
        certificates=listed.query(spec, host).certificates,
        units=(*_units(spec, host), *backup_query(spec, host).units),
        folders=backup_query(spec, host).folders,
        etcd=member,
        cluster=master,
        address=str(spec.hosts[host].address),
    )


def balancer_query(spec: Spec) -> BalancerQuery:
    is_haproxy = spec.load_balancer.kind is Balancer.HAPROXY
    servers = {name: spec.hosts[name].address for name in spec.having(Role.CONTROL_PLANE)}
    return BalancerQuery(at.haproxy_socket(spec.name) if is_haproxy else None, servers)


def _units(spec: Spec, host: str) -> tuple[str, ...]:
    roles = spec.hosts[host].roles
    names: list[str] = []
    if host in spec.nodes:
        names += [units.CONTAINERD, units.KUBELET]
    if Role.ETCD in roles:
        names.append(units.ETCD)
    if Role.LOAD_BALANCER in roles:
        names.append(units.balancer(spec.name))
        if spec.virtual_addresses:
            names += [units.keepalived(spec.name), units.tickle(spec.name)]
    if spec.backup.schedule is not None and host in spec.etcd_hosts:
        names.append(units.BACKUP_TIMER)
    return tuple(names)


def status(
    spec: Spec,
    facts: Facts,
    balancers: Mapping[str, tuple[Backend, ...]],
    differs: Mapping[str, tuple[str, ...]] | None,
    objects: Iterable[ObjectKey] = (),
) -> Status:
    """differs: None when it cannot be told. objects: of the pod network; they, DNS and kube-proxy
    have been asked for with `facts`.
    """
    api = facts.api
    return Status(
        cluster=spec.name,
        api=api is not None and api.ready,
        version=api.version if api is not None else "",
        nodes=tuple(_nodes(spec, facts)),
        workloads=tuple(_workload(api, key) for key in workloads(objects)),
        etcd=tuple(_members(spec, facts)),
        balancers=balancers,
        certificates=certificates(spec, facts),
        units=tuple(
            (host, unit, fact.active if fact is not None else "not there")
            for host, answered in facts.hosts.items()
            for unit in _units(spec, host)
            if (fact := answered.units.get(unit)) is None or fact.active != "active"
        ),
        unreachable={
            host: Unreachable(error.what, error.remedy) for host, error in facts.unreachable.items()
        },
        drift=None if differs is None else sum(map(len, differs.values())),
        differs=differs or {},
        backup=backup_status(spec, facts),
    )


def _nodes(spec: Spec, facts: Facts) -> list[NodeStatus]:
    known: Mapping[str, Mapping[str, object]] = facts.api.nodes if facts.api is not None else {}
    found: list[NodeStatus] = []
    for name in dict.fromkeys((*spec.nodes, *known)):
        roles = tuple(spec.hosts[name].roles) if name in spec.hosts else ()
        if facts.api is None:
            found.append(NodeStatus(name, None, "", roles, "the API does not answer"))
        elif name not in known:
            found.append(NodeStatus(name, False, "", roles, "not in the cluster"))
        else:
            problem = "" if name in spec.hosts else "not in the spec"
            node = known[name]
            state = readiness(node)
            problem = problem or state.reason
            found.append(NodeStatus(name, state.ready, kubelet_version(node), roles, problem))
    return found


def _workload(api: ApiFact | None, key: ObjectKey) -> WorkloadStatus:
    name = f"{key.namespace}/{key.name}" if key.namespace else key.name
    if api is None:
        return WorkloadStatus(name, None, "the API does not answer")
    live = api.objects.get(key)
    if live is None:
        return WorkloadStatus(name, None, "is missing")
    found = serving(key, live)
    return WorkloadStatus(name, found, "" if found else "has never said whether its pods serve")


def _members(spec: Spec, facts: Facts) -> list[MemberStatus]:
    answers = {h: facts.hosts[h].etcd for h in spec.etcd_hosts if h in facts.hosts}
    furthest = max((fact.raft_index for fact in answers.values() if fact is not None), default=0)
    found: list[MemberStatus] = []
    for host in spec.etcd_hosts:
        fact = answers.get(host)
        if fact is None:
            why = "unreachable" if host in facts.unreachable else "no answer"
            found.append(MemberStatus(host, False, False, False, "", 0, 0, 0, (why,)))
            continue
        me = next((m for m in fact.members if m.id == fact.member_id), None)
        found.append(
            MemberStatus(
                host=host,
                healthy=fact.leader_id != "0" and not fact.errors,
                leader=fact.leader_id == fact.member_id,
                learner=me is not None and me.learner,
                version=fact.version,
                lag=furthest - fact.raft_applied,
                size=fact.db_size,
                in_use=fact.db_in_use,
                errors=fact.errors,
            )
        )
    return found
