"""Facts: what is, read from the hosts in one round trip each. Values only, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kanae.errors import HostError
from kanae.facts.login import ROOT, Login
from kanae.layout import families, ports
from kanae.layout.family import Family


@dataclass(frozen=True, slots=True)
class Query:
    """What to ask one host besides its base facts. Paths and names are literal, no globs.

    files: kind, mode, owner, size and sha256; one that begins with `~/` is in the home of the
    account that kanae logs in as. `contents`: in addition the text (small files only, never
    secrets). folders: names of what is in them, hidden ones too. Hashes of large files are cached
    on the host by device, inode, size, mtime_ns and ctime_ns. certificates: PEM certificates to
    read (the first one of each file), or kubeconfigs whose client certificate is read. units:
    systemd unit names with suffix.
    images: ask containerd for the names and digests of pinned images.
    cluster: ask the API server on this host (with admin.conf, at `address`:`api_port`) for nodes,
    the objects named in `objects`, and how it would store those of `applied`. etcd: ask the etcd
    member on this host for its members and status. names: resolved as kubelet does. kubeconfigs:
    which server they name. disks: paths whose file systems' space is read; one that does not exist
    yet stands for the nearest folder above it that does.
    """

    files: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    images: bool = False
    cluster: bool = False
    etcd: bool = False
    objects: tuple[ObjectKey, ...] = ()
    applied: tuple[Applied, ...] = ()
    names: tuple[str, ...] = ()
    kubeconfigs: tuple[str, ...] = ()
    address: str = "127.0.0.1"
    api_port: int = ports.API_SERVER
    disks: tuple[str, ...] = ("/", "/var/lib", "/var/lib/etcd")


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """A Kubernetes object: `resource` as kubectl takes it, such as daemonsets.apps."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Applied:
    """An object as it is applied. version: of its apiVersion, without the group. text: JSON."""

    key: ObjectKey
    version: str
    text: str


@dataclass(frozen=True, slots=True)
class FileFact:
    """kind: file, directory, link or other. mode: e.g. 0o644. sha256: hex, "" unless a file.

    text: only when asked for and valid UTF-8. modified: when its content was, seconds since the
    epoch, 0 where that is not told; it makes no difference between two.
    """

    kind: str
    mode: int
    owner: str
    size: int
    sha256: str = ""
    target: str = ""
    text: str | None = None
    modified: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class UnitFact:
    """systemd's own words: load loaded|not-found|masked, active active|inactive|failed|...,
    enabled enabled|disabled|static|masked|"". since: when it became active, seconds of monotonic
    time, 0 when not active. stale: the unit file on disk is newer than what systemd loaded.
    dropins: paths of files that change or add to the unit's own.
    """

    load: str
    active: str
    enabled: str
    since: float = 0.0
    stale: bool = False
    dropins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BootSetting:
    """What a kernel setting will be after the next boot, and the file in which that is said."""

    value: str
    file: str


@dataclass(frozen=True, slots=True)
class CertificateFact:
    """fingerprint: sha256 of DER, hex. key_matches: the private key beside it (same path with .key)
    belongs to it; None when there is no such key. sans: DNS names and IP addresses.
    """

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    sans: frozenset[str]
    fingerprint: str
    is_ca: bool
    authority_key_id: str
    subject_key_id: str
    key_matches: bool | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that accepts: protocol tcp or udp, address as ss prints it, process name or ""."""

    protocol: str
    address: str
    port: int
    process: str


@dataclass(frozen=True, slots=True)
class Interface:
    name: str
    mac: str
    addresses: tuple[str, ...]  # CIDR notation


@dataclass(frozen=True, slots=True)
class Route:
    destination: str  # CIDR notation or "default"
    gateway: str
    interface: str


@dataclass(frozen=True, slots=True)
class HostBase:
    """What every host is always asked. memory, swap and disk figures in bytes, clock in seconds.

    clock_offset: host minus operator, corrected by half the round trip; clock_error: that half.
    cgroup: 1 (v1 or hybrid) or 2. controllers: its controllers that are on, such as memory; empty
    where they cannot be told. disks: path -> (free, total) for /, /var/lib, the etcd data dir.
    hard_nofile: the hard limit on open files for a new process. can_lower_oom: whether
    oom_score_adj can be lowered (CAP_SYS_RESOURCE). kernel_features: loaded, built in, or loadable
    as a module; those of them that are modules and not loaded yet are unloaded_modules too.
    forbidden_modules: not loaded, and never to be: a line `install NAME /bin/false` of modprobe.d
    forbids it or what it needs, or the kernel takes no more modules.
    proxies: files in which a proxy variable is set, and layout.proxies.SESSION when one came with
    the connection; never a value, which may hold a password.
    resolvers: name servers in /etc/resolv.conf; upstream_resolvers: in systemd-resolved's own list.
    os_id, os_version, os_name, os_like: ID, VERSION_ID, PRETTY_NAME and the words of ID_LIKE in
    /etc/os-release, "" or () where it lacks them. login: whom kanae logs in as.
    """

    hostname: str
    machine_id: str
    product_uuid: str
    boot_id: str
    os_id: str
    os_version: str
    os_name: str
    arch: str
    kernel: str
    cpus: int
    memory: int
    swap: int
    cgroup: int
    uptime: float
    clock_offset: float
    clock_error: float
    hard_nofile: int
    can_lower_oom: bool
    systemd: int
    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    resolvers: tuple[str, ...] = ()
    upstream_resolvers: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()
    disks: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    kernel_features: frozenset[str] = frozenset()
    unloaded_modules: frozenset[str] = frozenset()
    forbidden_modules: frozenset[str] = frozenset()
    proxies: tuple[str, ...] = ()
    controllers: frozenset[str] = frozenset()
    missing_programs: tuple[str, ...] = ()
    selinux: str = "disabled"
    os_like: tuple[str, ...] = ()
    login: Login = ROOT

    @property
    def family(self) -> Family:
        """What its distribution calls things and where it has them."""
        return families.of(self.os_id, self.os_like)


@dataclass(frozen=True, slots=True)
class EtcdMember:
    """id: hex as etcdctl prints it. name is "" for a member that never started."""

    id: str
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    learner: bool


@dataclass(frozen=True, slots=True)
class EtcdFact:
    """What one member says of the cluster and of itself. revision and sizes as etcd gives them."""

    members: tuple[EtcdMember, ...]
    member_id: str
    leader_id: str
    version: str
    db_size: int
    db_in_use: int
    revision: int
    raft_index: int
    raft_applied: int
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiFact:
    """What the API server on this host answers. objects: full JSON, for the keys that exist.

    nodes: full Node objects by name. ready: its /readyz. stored: what each of Query.applied would
    be, by a dry run of applying it; it lacks those that the server refuses.
    """

    ready: bool
    version: str
    nodes: Mapping[str, Mapping[str, object]]
    objects: Mapping[ObjectKey, Mapping[str, object]]
    stored: Mapping[ObjectKey, Mapping[str, object]] = field(
        default_factory=dict[ObjectKey, Mapping[str, object]]
    )


@dataclass(frozen=True, slots=True)
class HostFacts:
    """All of one host at one time. A path, unit or package that is not there maps to None.

    folders: path -> names, sorted; empty for a folder that is not there, or is none.
    marks: kanae's own records on the host, name -> content. boot_sysctls: of the sysctls that were
    asked for, those that a file sets at boot. names: those that were asked for -> addresses, none
    when there is no such name; None when no answer came in time. Empty when it cannot be told.
    servers: URLs by path, of those kubeconfigs that were asked for.
    """

    host: str
    read_at: datetime
    base: HostBase
    files: Mapping[str, FileFact | None] = field(default_factory=dict[str, FileFact | None])
    folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    certificates: Mapping[str, CertificateFact | None] = field(
        default_factory=dict[str, CertificateFact | None]
    )
    units: Mapping[str, UnitFact | None] = field(default_factory=dict[str, UnitFact | None])
    packages: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    sysctls: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    boot_sysctls: Mapping[str, BootSetting] = field(default_factory=dict[str, BootSetting])
    images: Mapping[str, str] | None = None  # pinned ones: reference -> digest; None: not known
    api: ApiFact | None = None  # None when not asked or when it does not answer
    etcd: EtcdFact | None = None
    marks: Mapping[str, str] = field(default_factory=dict[str, str])
    names: Mapping[str, tuple[str, ...] | None] = field(
        default_factory=dict[str, tuple[str, ...] | None]
    )
    servers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Facts:
    """All hosts. unreachable: host -> why; such a host has no entry in `hosts`.

    Most are ConnectErrors; others are of hosts that were reached and gave no facts.
    """

    hosts: Mapping[str, HostFacts]
    unreachable: Mapping[str, HostError] = field(default_factory=dict[str, HostError])

    @property
    def api(self) -> ApiFact | None:
        """The API as the first host that answers sees it, ready ones first."""
        answers = [facts.api for facts in self.hosts.values() if facts.api is not None]
        return next((api for api in answers if api.ready), answers[0] if answers else None)
