"""What a cluster remembers of itself on its hosts: who they are, and which cluster it is.

The control-plane hosts keep a list of all hosts, so that one that leaves the spec is still known:
`known - spec` are those that are leaving. An entry is there before its host is changed for the
first time, and until the host has been taken out of the cluster.

A cluster is told apart from another one of the same name by its identity, kept on every host: the
first half of the sha256 of the public service-account key with which it was built. A certificate
authority would not do, since a company's may be shared by several clusters. It stays when that key
is replaced.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from ipaddress import IPv4Address
from typing import Any, Final, cast

from pydantic import TypeAdapter

from kanae.errors import Refused
from kanae.facts.model import Facts, HostFacts
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.spec import patience
from kanae.spec.host import Host, Ssh
from kanae.spec.models import Role, Spec
from kanae.spec.text import HostName

_IDENTITY_DIGITS = 32
_HOST_NAME: Final[TypeAdapter[str]] = TypeAdapter(HostName)


@dataclass(frozen=True, slots=True)
class KnownHost:
    """A host as the cluster remembers it. ssh: settings of `kanae.spec.host.Ssh` that were said."""

    name: str
    address: str
    roles: tuple[str, ...]
    ssh: Mapping[str, object] = field(default_factory=dict[str, object])

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.roles)} at {self.address})"


@dataclass(frozen=True, slots=True)
class Known:
    """hosts: by name, empty where no control-plane host that answers keeps a list.

    identity: "" while the cluster has none, or none that can be read.
    """

    hosts: Mapping[str, KnownHost]
    identity: str


def identity_of(service_account_digest: str) -> str:
    """service_account_digest: sha256 of sa.pub, in hex."""
    return service_account_digest[:_IDENTITY_DIGITS]


def shared(spec: Spec, host: str) -> bool:
    """Whether several clusters may use this host: balancers and clients are told apart by name."""
    return not {Role.CONTROL_PLANE, Role.WORKER, Role.ETCD} & set(spec.hosts[host].roles)


def cluster_mark(spec: Spec, host: str) -> str:
    """The mark that says that the host is this cluster's."""
    return marks.MEMBER + spec.name if shared(spec, host) else marks.CLUSTER


def identity_mark(spec: Spec, host: str) -> str:
    """The mark that says which cluster of that name it is."""
    return marks.IDENTITY_OF + spec.name if shared(spec, host) else marks.IDENTITY


def named_after(spec: Spec, facts: HostFacts) -> bool:
    """Whether a host carries the mark of a cluster of this name; see `strangers` for which one."""
    exclusive = facts.marks.get(marks.CLUSTER, "").strip() == spec.name
    return exclusive or marks.MEMBER + spec.name in facts.marks


def known(spec: Spec, facts: Facts, away: Iterable[KnownHost] = ()) -> Known:
    """away: hosts that are to leave, remembered or not. Raises Refused when control-plane hosts of
    the spec belong to different clusters."""
    hosts = {host.name: host for host in away}
    identities: dict[str, str] = {}
    keeping = {
        name: here
        for name in spec.having(Role.CONTROL_PLANE)
        if (here := facts.hosts.get(name)) is not None and named_after(spec, here)
    }
    # One that has left and came back would bring back who has left since.
    nodes = set(facts.api.nodes) if facts.api is not None else set[str]()
    current = {name: here for name, here in keeping.items() if name in nodes} or keeping
    for here in current.values():
        hosts |= listed(here)
    for name, here in keeping.items():
        if identity := _identity(spec, name, here):
            identities.setdefault(identity, name)
    if len(identities) > 1:
        raise Refused(
            f"{' and '.join(identities.values())} belong to different clusters called "
            f"{spec.name!r} ({', '.join(identities)})",
            remedy="take those out of the spec that are not meant",
        )
    return Known(hosts, next(iter(identities), ""))


def _identity(spec: Spec, host: str, facts: HostFacts) -> str:
    """As it is recorded; of a cluster that was built before identities were, by its key."""
    recorded = facts.marks.get(identity_mark(spec, host), "").strip()
    key = facts.files.get(at.SERVICE_ACCOUNT_PUBLIC)
    return recorded or (identity_of(key.sha256) if key is not None else "")


def strangers(spec: Spec, facts: Facts, identity: str) -> Mapping[str, str]:
    """Hosts of another cluster -> which one, in words.

    identity: of this cluster. "" when it has none that can be read: a host that has one is then of
    another cluster, or what is left of one.
    """
    found: dict[str, str] = {}
    for host in spec.hosts:
        here = facts.hosts.get(host)
        if here is None:
            continue
        owner = here.marks.get(marks.CLUSTER, "").strip()
        recorded = here.marks.get(identity_mark(spec, host), "").strip()
        if owner not in ("", spec.name):
            found[host] = f"the cluster {owner!r}, not to {spec.name!r}"
        elif recorded and recorded != identity:
            found[host] = f"another cluster called {spec.name!r} ({recorded})"
    return found


def require_ours(spec: Spec, facts: Facts, identity: str) -> None:
    """Raises Refused when a host of the spec belongs to another cluster."""
    found = strangers(spec, facts, identity)
    if not found:
        return
    host, whose = next(iter(found.items()))
    remedy = "give the spec of that cluster, or take the host out of this one"
    if not identity:
        remedy += (
            "; if its control-plane hosts are gone for good and nobody needs it: "
            "kanae reset SPEC --identity ID"
        )
    raise Refused(f"{host} belongs to {whose}", remedy=remedy)


def recognized(spec: Spec, facts: Facts, identity: str) -> Facts:
    """Without hosts that answer as something else than this cluster's: what a blank machine, or one
    of another cluster, says in the place of a host that leaves tells nothing of this one. spec,
    identity: of this cluster."""
    foreign = strangers(spec, facts, identity)
    hosts = {
        name: here
        for name, here in facts.hosts.items()
        if name not in foreign and named_after(spec, here)
    }
    return replace(facts, hosts=hosts)


def leaving(spec: Spec, known: Known) -> tuple[KnownHost, ...]:
    """Hosts of the cluster that the spec does not name any more."""
    return tuple(host for name, host in known.hosts.items() if name not in spec.hosts)


def listed(facts: HostFacts) -> dict[str, KnownHost]:
    """The hosts on the list that this one keeps."""
    return {host.name: host for host in in_roster(facts.marks.get(marks.HOSTS, ""))}


def former(spec: Spec, known: Known) -> Spec:
    """The spec with the hosts that are leaving still in it, as the cluster remembers them. It need
    not keep the rules for specs: two etcd members are what is there while the third one goes.
    """
    gone = {
        host.name: Host(
            address=IPv4Address(host.address),
            roles=[Role(role) for role in host.roles],
            ssh=Ssh.model_validate(host.ssh),
        )
        for host in leaving(spec, known)
    }
    return spec.model_copy(update={"hosts": {**spec.hosts, **gone}}) if gone else spec


def as_known(spec: Spec, host: str) -> KnownHost:
    """A host of the spec as the cluster remembers it."""
    entry = spec.hosts[host]
    said = spec.ssh_of(host).model_dump(mode="json", exclude_unset=True, exclude_none=True)
    roles = tuple(sorted(role.value for role in entry.roles))
    return KnownHost(host, str(entry.address), roles, dict(sorted(said.items())))


def without(spec: Spec, *gone: str) -> Spec:
    """The spec of the cluster while hosts of it are away to be replaced. See `former`. Whom pods
    reach and how long they stay on a node that is lost are not to change with the number of
    balancers meanwhile, there and back."""
    hosts = {name: each for name, each in spec.hosts.items() if name not in gone}
    endpoint = spec.endpoint.model_copy(update={"in_cluster": spec.in_cluster})
    arguments = patience.tolerations(spec) | spec.api_server.extra_args
    api_server = spec.api_server.model_copy(update={"extra_args": arguments})
    update = {"hosts": hosts, "endpoint": endpoint, "api_server": api_server}
    return spec.model_copy(update=update)


def roster(spec: Spec, leaving: Iterable[KnownHost] = ()) -> str:
    """The list of hosts as it is kept: those of the spec, and those that are still leaving."""
    hosts = {name: as_known(spec, name) for name in spec.hosts}
    hosts |= {host.name: host for host in leaving}
    return json.dumps([asdict(hosts[name]) for name in sorted(hosts)], indent=1) + "\n"


def in_roster(text: str) -> Iterator[KnownHost]:
    """Entries that make sense: the file is ours, but a disk may have lost a part of it."""
    try:
        entries: object = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return
    for entry in cast("list[Any]", entries) if isinstance(entries, list) else []:
        match entry:
            case {"name": str(name), "address": str(address), "roles": [*roles], "ssh": {**ssh}}:
                settings = cast("dict[str, object]", ssh)
                named = {role.value for role in Role} & set(map(str, cast("list[object]", roles)))
                if named and _fit(name, address, settings):
                    yield KnownHost(name, address, tuple(sorted(named)), settings)
            case _:
                continue


def _fit(name: str, address: str, ssh: Mapping[str, object]) -> bool:
    """Whether a spec could have named it so, and it can be reached by what is recorded of it."""
    try:
        _HOST_NAME.validate_python(name)
        IPv4Address(address)
        Ssh.model_validate(ssh)
    except ValueError:
        return False
    return True
