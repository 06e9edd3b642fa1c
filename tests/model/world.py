"""The simulated hosts together: the cluster they form, what must hold of it at every moment."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import datetime
from functools import cache
from itertools import permutations
from typing import Any, Final

from kanae.errors import ConnectError, HostError
from kanae.facts.model import ApiFact, EtcdFact, EtcdMember, Facts, HostBase, HostFacts, ObjectKey
from kanae.facts.workloads import DNS
from kanae.layout import marks, ports, units
from kanae.layout import paths as at
from kanae.plan.attempt import seal
from kanae.plan.certificates import AUTHORITIES
from kanae.plan.etcd import member_folder
from kanae.plan.hosts import queries, resources
from kanae.plan.membership import former, known, recognized
from kanae.plan.saved import Saved
from kanae.plan.view import Site
from kanae.render import haproxy, keepalived, nginx, registration
from kanae.render.kubeadm import taints
from kanae.resources.unit import Unit
from kanae.spec.models import EtcdTopology, Role, Spec

from .certificate import certificate, embedded, ending
from .dns import Pods, place, settled
from .fixtures import READ_AT, V2, Desk, backup_of, base_of
from .in_cluster import Reconcilers
from .machine import SimHost

API_SERVER: Final = "kube-apiserver"
SERVING: Final = f"{at.PKI}/apiserver.crt"
Object = dict[str, Any]
POLICY: Final = ObjectKey(
    "validatingadmissionpolicies.admissionregistration.k8s.io", "", registration.NAME
)


_held = cache(keepalived.held)


@cache
def _bound(text: str) -> frozenset[int]:
    return haproxy.bound(text) | nginx.bound(text)


@dataclass(slots=True)
class World:
    """hosts with the cluster's shared state, those that have left the spec too. members: etcd's,
    host -> whether it votes. started: members that have run. leader: see `leads`.
    budgets: node -> the PodDisruptionBudget that lets no pod of it go.

    violations: what should never have been true, gathered by `watch`. resetting: the cluster is
    being taken down on purpose. been_up, most_down: hosts that have served, and how many of them
    did not at one moment, by what they serve. inits, joins: how often kubeadm did each with
    success, by host. listed: members when `watch` last looked. removed: hosts with the data of a
    member that has been taken out of etcd. well: what `watch` last saw serve, see `_kept`.
    foreign: endpoints of somebody else's balancers. been_lost: hosts that were once without power.
    dns: CoreDNS's pods, see `schedule`. backup: nodes and objects of a time that is past. holding:
    the attempt to restore that etcd's data is of, "" for none. restored: attempt -> its members.
    reconcilers: see there. ended: some certificate has.
    """

    desk: Desk
    hosts: dict[str, SimHost]
    nodes: dict[str, Object] = field(default_factory=dict[str, Object])
    objects: dict[ObjectKey, Object] = field(default_factory=dict[ObjectKey, Object])
    members: dict[str, bool] = field(default_factory=dict[str, bool])
    started: set[str] = field(default_factory=set[str])
    leader: str = ""
    budgets: dict[str, str] = field(default_factory=dict[str, str])
    tokens: set[str] = field(default_factory=set[str])
    authorities: dict[str, str] = field(default_factory=dict[str, str])
    inits: dict[str, int] = field(default_factory=dict[str, int])
    joins: dict[str, int] = field(default_factory=dict[str, int])
    violations: list[str] = field(default_factory=list[str])
    served: bool = False
    quorate: bool = False
    resetting: bool = False
    been_up: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    most_down: dict[str, int] = field(default_factory=dict[str, int])
    wanted_units: dict[str, tuple[Unit, ...]] = field(default_factory=dict[str, tuple[Unit, ...]])
    listed: dict[str, bool] = field(default_factory=dict[str, bool])
    removed: set[str] = field(default_factory=set[str])
    well: tuple[list[str], bool, bool] = ([], False, False)
    foreign: set[str] = field(default_factory=set[str])
    been_lost: set[str] = field(default_factory=set[str])
    dns: Pods = field(default_factory=Pods)
    reconcilers: Reconcilers = field(default_factory=Reconcilers)
    backup: str = "[{}, []]"
    holding: str = ""
    restored: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    ended: bool = False

    @classmethod
    def bare(cls, desk: Desk, kind: HostBase = V2) -> World:
        world = cls(desk, {})
        for host in desk.spec.hosts:
            world.add_host(host, kind)
        world._foreign()
        return world

    def add_host(self, host: str, kind: HostBase = V2) -> None:
        base = base_of(self.desk.spec, host, kind)
        self.hosts[host] = SimHost(host, base, self._inputs_of(host))

    def _inputs_of(self, host: str) -> Any:
        def inputs(unit: str) -> tuple[str, ...]:
            keys = [
                key
                for each in self.units_of(host)
                if each.unit == unit
                for key in (*each.restart_on, *each.reload_on)
            ]
            return tuple(dict.fromkeys(key.split(":", 1)[1] for key in keys))

        return inputs

    def units_of(self, host: str) -> tuple[Unit, ...]:
        """What should run on a host of the whole cluster; nothing on one that has left the spec."""
        if host not in self.wanted_units:
            whole = {
                name: HostFacts(name, READ_AT, self.hosts[name].base, marks={marks.JOINED: ""})
                for name in self.spec.hosts
            }
            view = self.desk.view(Facts(whole))
            self.wanted_units |= {
                name: tuple(each for each in resources(view, name) if isinstance(each, Unit))
                for name in whole
            }
        return self.wanted_units.get(host, ())

    def copy(self) -> World:
        world = World(
            self.desk,
            {},
            json.loads(json.dumps(self.nodes)),
            {key: json.loads(json.dumps(each)) for key, each in self.objects.items()},
            dict(self.members),
            set(self.started),
            self.leader,
            dict(self.budgets),
            set(self.tokens),
            dict(self.authorities),
            dict(self.inits),
            dict(self.joins),
            list(self.violations),
            self.served,
            self.quorate,
            self.resetting,
            {what: set(hosts) for what, hosts in self.been_up.items()},
            dict(self.most_down),
            dict(self.wanted_units),
            dict(self.listed),
            set(self.removed),
            self.well,
            set(self.foreign),
            set(self.been_lost),
            self.dns.copy(),
            self.reconcilers.copy(),
            self.backup,
            self.holding,
            dict(self.restored),
            self.ended,
        )
        for name, host in self.hosts.items():
            world.hosts[name] = host.copy()
            world.hosts[name].inputs = world._inputs_of(name)
        return world

    def edit(self, spec: Spec) -> None:
        """The operator edits the spec; new hosts are bare."""
        self.desk = Desk.of(spec)
        self.wanted_units.clear()
        self._foreign()
        # One that has left serves nobody; should it join again, it begins anew.
        self.been_up = {what: hosts & set(spec.hosts) for what, hosts in self.been_up.items()}
        for host in spec.hosts:
            if host not in self.hosts:
                self.add_host(host)

    def _foreign(self) -> None:
        said = self.spec.endpoint.address
        if said is not None and all(host.address != said for host in self.spec.hosts.values()):
            self.foreign.add(str(said))

    @property
    def spec(self) -> Spec:
        return self.desk.spec

    @property
    def external(self) -> bool:
        return self.spec.etcd_topology is EtcdTopology.EXTERNAL

    # etcd

    def etcd_runs(self, host: str) -> bool:
        """So that others can reach it."""
        here = self.hosts[host]
        runs = here.active(units.ETCD) if self.external else "etcd" in here.pods
        return runs and not here.ended(at.ETCD_SERVER, at.ETCD_PEER)

    def peer(self, host: str) -> str:
        return f"https://{self.address(host)}:{ports.ETCD_PEER}"

    def address(self, host: str) -> str:
        return self.hosts[host].base.interfaces[0].addresses[0].partition("/")[0]

    def member_at(self, peer: str) -> str | None:
        """The host whose member has this peer URL."""
        return next((host for host in self.members if self.peer(host) == peer), None)

    def voters(self) -> list[str]:
        return [host for host, votes in self.members.items() if votes]

    def healthy(self) -> list[str]:
        """Voters that answer a linearizable read."""
        return [host for host in self.voters() if self.etcd_runs(host)] if self.quorum() else []

    def quorum(self) -> bool:
        return self._quorate(self.members)

    def _quorate(self, members: Mapping[str, bool]) -> bool:
        voters = [host for host, votes in members.items() if votes]
        running = [host for host in voters if self.etcd_runs(host)]
        return bool(voters) and len(running) > len(voters) // 2

    def add_refused(self, members: Mapping[str, bool] | None = None) -> str:
        """Why etcd would take no learner to these members, "" when it would: mayAddMember of its
        server.go, and --max-learners."""
        members = self.members if members is None else members
        voters = [host for host, votes in members.items() if votes]
        running = [host for host in voters if self.etcd_runs(host)]
        if len(running) < (len(voters) + 1) // 2 + 1 and len(voters) > 1:
            return "etcdserver: unhealthy cluster"
        if len(voters) < len(members):
            return "etcdserver: too many learner members in cluster"
        return ""

    def removal_refused(self, host: str) -> str:
        """Why etcd would not remove this member, "" when it would: mayRemoveMember."""
        if not self.members[host] or not self.etcd_runs(host):
            return ""
        voters = self.voters()
        running = [each for each in voters if self.etcd_runs(each)]
        enough = len(running) - 1 >= 1 + (len(voters) - 1) // 2
        return "" if enough else "etcdserver: unhealthy cluster"

    def leads(self) -> str:
        """etcd's leader; "" without a quorum."""
        healthy = self.healthy()
        return self.leader if self.leader in healthy else next(iter(healthy), "")

    def forget_member(self, host: str) -> None:
        self.members.pop(host, None)
        self.started.discard(host)
        if self.hosts[host].has(member_folder(self.spec)):
            self.removed.add(host)

    def save(self, snapshot: str) -> Saved:
        """Keep what is in the cluster now, as a backup does. snapshot: as of `backup_of`."""
        objects = [[astuple(key), each] for key, each in self.objects.items()]
        self.backup = json.dumps([self.nodes, objects])
        identity = known(self.spec, self.facts()).identity
        return backup_of(self.spec, identity, snapshot)

    def held(self, host: str) -> str:
        """The attempt by which the data of a member was restored."""
        path = seal(str(self.spec.etcd.data_dir))
        return self.hosts[host].text(path).strip() if self.hosts[host].has(path) else ""

    def _take_up(self) -> None:
        """The first member that starts with what was restored begins a new cluster of the members
        that were said then, with what was in it."""
        running = {host: self.held(host) for host in self.hosts
                   if self.hosts[host].powered and self.etcd_runs(host)}  # fmt: skip
        held = next((held for held in running.values() if held), "")
        if not held or held == self.holding:
            return
        if others := [host for host, each in running.items() if each != held]:
            self.violations.append(f"{others} run with other data than {held}")
        self.holding = held
        self.members = dict.fromkeys(self.restored[held], True)
        self.started = set(self.members)
        nodes, objects = json.loads(self.backup)
        self.nodes = nodes
        self.objects = {ObjectKey(*key): each for key, each in objects}

    # The API

    def api_ready(self, host: str) -> bool:
        here = self.hosts[host]
        if not here.powered or API_SERVER not in here.pods or not self.quorum():
            return False
        if here.ended(SERVING, at.ETCD_API_CLIENT):
            return False
        if self.external:
            return here.active(units.ETCD_BALANCER)
        # The member of one that has been removed ends as soon as it is told.
        return self.etcd_runs(host) and host in self.members

    def ready_hosts(self) -> list[str]:
        return [h for h in self.spec.having(Role.CONTROL_PLANE) if self.api_ready(h)]

    def endpoint_answers(self) -> bool:
        return bool(self.answering(str(self.spec.endpoint_address), self.spec.endpoint.port))

    def reached(self, server: str) -> bool:
        """Whether API servers answer at this URL, with certificates that are good for it. A name
        leads to the address of the endpoint."""
        host, _, port = server.removeprefix("https://").rpartition(":")
        named = host == self.spec.endpoint.name
        ready = self.answering(str(self.spec.endpoint_address) if named else host, int(port))
        return bool(ready) and all(host in self.names(each) for each in ready)

    def names(self, host: str) -> frozenset[str]:
        """Of the API server's certificate there."""
        return certificate(embedded(self.hosts[host].text(SERVING))).sans

    def answering(self, address: str, port: int) -> list[str]:
        """Hosts whose API servers answer there, by what runs and what it was told."""
        here = next((host for host in self.hosts if self.address(host) == address), None)
        if here is not None and port == ports.API_SERVER and API_SERVER in self.hosts[here].pods:
            return [here] if self.api_ready(here) else []
        if address in self.foreign or any(
            self._balances(host, port) and address in self.addresses(host) for host in self.hosts
        ):
            return self.ready_hosts()
        return []

    def addresses(self, host: str) -> list[str]:
        """All that a host may have: keepalived's, too, which is with one of its hosts."""
        here, own = self.hosts[host], [self.address(host)]
        config = at.keepalived_config(self.spec.name)
        if not here.active(units.keepalived(self.spec.name)) or not here.has(config):
            return own
        return [*own, *(str(each.address) for each in _held(here.text(config)))]

    def _balances(self, host: str, port: int) -> bool:
        here, config = self.hosts[host], at.balancer_config(self.spec.name)
        if not here.active(units.balancer(self.spec.name)) or not here.has(config):
            return False
        return port in _bound(here.text(config))

    def led(self, server: str) -> None:
        """Somebody is led there. What has lost its power this very moment was there before."""
        if all(host.powered for host in self.hosts.values()) and not self.reached(server):
            self.violations.append(f"somebody is led to {server}, where nobody answers")

    def may_register(self, host: str) -> bool:
        policy = self.objects.get(POLICY)
        if policy is None:
            return True
        expression = policy["spec"]["validations"][0]["expression"]
        return host in json.loads(expression.partition(" in ")[2])

    def _register(self) -> None:
        """A kubelet whose node was deleted while it was away makes it as soon as it may."""
        for host in self.spec.nodes:
            here = self.hosts[host]
            there = here.powered and here.active(units.KUBELET) and here.marked(marks.JOINED)
            if host in self.nodes or not there or not self.may_register(host):
                continue
            if self.reached(here.server(at.KUBELET_CONF)):
                self.nodes[host] = {
                    "metadata": {"name": host, "labels": {"kubernetes.io/hostname": host}},
                    "spec": {"taints": taints(self.spec, host)},
                }

    def node_ready(self, name: str) -> bool:
        here = self.hosts[name]
        network = ObjectKey("daemonsets.apps", "kube-flannel", "kube-flannel-ds")
        proxy = ObjectKey("daemonsets.apps", "kube-system", "kube-proxy")
        return (
            name in self.nodes
            and not here.ended(at.KUBELET_CLIENT)
            and here.active(units.KUBELET)
            and here.active(units.CONTAINERD)
            and network in self.objects
            and proxy in self.objects
        )

    def schedule(self) -> None:
        """CoreDNS's pods, as the controllers and the scheduler of a living control plane do."""
        deployment = self.objects.get(DNS)
        powered = {name for name in self.nodes if self.hosts[name].powered}
        if not settled(self.dns, deployment, powered) and self.ready_hosts():
            ready = {name: node for name, node in self.nodes.items() if self.node_ready(name)}
            place(self.dns, deployment, ready, powered)

    # Facts

    def facts(self) -> Facts:
        """What one round of asking every host gives."""
        facts = self._asked(self.desk.site, self.spec.hosts)
        remembered = known(self.spec, facts, self.desk.site.away)
        whole = former(self.spec, remembered)
        gone = [name for name in whole.hosts if name not in self.spec.hosts]
        more = self._asked(replace(self.desk.site, spec=whole), gone)
        more = recognized(whole, more, remembered.identity)
        return Facts({**facts.hosts, **more.hosts}, {**facts.unreachable, **more.unreachable})

    def _asked(self, site: Site, names: Iterable[str]) -> Facts:
        found: dict[str, Any] = {}
        lost: dict[str, HostError] = {}
        queries_ = queries(site)
        for name in names:
            host = self.hosts[name]
            if not host.powered:
                lost[name] = ConnectError(name, "no route to host")
                continue
            asked = queries_[name]
            api = self._api(name, asked.objects) if asked.cluster else None
            found[name] = host.facts(asked, api, self._etcd(name))
        return Facts(found, lost)

    def _api(self, host: str, keys: tuple[ObjectKey, ...]) -> ApiFact | None:
        if not self.hosts[host].has(at.ADMIN_CONF) or API_SERVER not in self.hosts[host].pods:
            return None
        if not self.api_ready(host) or self.hosts[host].ended(at.ADMIN_CONF):
            return None
        objects = {key: self.objects[key] for key in keys if key in self.objects}
        nodes = {name: node | {"status": self._status(name)} for name, node in self.nodes.items()}
        return ApiFact(True, self.spec.version, nodes, objects)

    def _status(self, node: str) -> Object:
        ready = node in self.hosts and self.node_ready(node)
        return {"conditions": [{"type": "Ready", "status": str(ready)}]}

    def _etcd(self, host: str) -> EtcdFact | None:
        """Of external etcd and of a stacked member alike, to whoever asks."""
        if not self.etcd_runs(host) or host not in self.members or not self.quorum():
            return None
        if self.hosts[host].ended(at.ETCD_PROBE):
            return None
        members = tuple(
            EtcdMember(
                str(n),
                name if name in self.started else "",
                (self.peer(name),),
                (f"https://{self.address(name)}:{ports.ETCD_CLIENT}",)
                if name in self.started
                else (),
                not votes,
            )
            for n, (name, votes) in enumerate(self.members.items(), 1)
        )
        ids = {member.name: member.id for member in members}
        return EtcdFact(members, ids[host], ids[self.leads()], "3.7.3", 1, 1, 1, 1, 1)

    # What must hold

    def watch(self) -> None:
        """Called after every effect."""
        self._take_up()
        self.schedule()
        self._register()
        self.reconcilers.look(self)
        self.ended = self.ended and any(
            here.ended(*here.of_cluster()) for here in self.hosts.values()
        )
        if self.resetting or self.ended:
            # What has not served since then has never served.
            self.well, self.served, self.quorate, self.been_up = (
                ([], False, False),
                False,
                False,
                {},
            )
        else:
            self.violations += self._broken()

    def _broken(self) -> Iterator[str]:
        lost = [host for host, here in self.hosts.items() if not here.powered]
        self.quorate = self.quorate or self.quorum()
        if self.quorate and not self.quorum() and not lost:
            yield f"etcd has no quorum: {self.voters()}"
        joined = [
            host
            for host in self.spec.having(Role.CONTROL_PLANE)
            if self.hosts[host].marked(marks.JOINED) and self.hosts[host].powered
        ]
        down = [host for host in joined if not self.api_ready(host)]
        if self.served and not lost:
            if len(down) > 1:
                yield f"API servers of {down} are down at once"
            if len(joined) > 1 and len(down) == len(joined):
                yield "no API server is ready"
        self.served = self.served or bool(joined)
        yield from self._kept(lost, joined)
        if not lost:
            yield from self._interrupted()
            yield from self.reconcilers.broken(self)
        yield from self._authorities()
        yield from self._membership()
        yield from self._virtual_address(lost)

    def _virtual_address(self, lost: Sequence[str]) -> Iterator[str]:
        """keepalived believes those that its file names, so all that run must know each other. One
        that was dead while it left, and comes back, is the operator's to wipe."""
        self.been_lost |= set(lost)
        unit, config = units.keepalived(self.spec.name), at.keepalived_config(self.spec.name)
        running = {
            host: here.text(config)
            for host, here in self.hosts.items()
            if here.active(unit) and here.has(config) and here.powered
            if host in self.spec.hosts or host not in self.been_lost
        }
        for one, other in permutations(running, 2):
            if f"        {self.address(other)}\n" not in running[one]:
                yield f"{one} and {other} have the virtual address: {one} does not know {other}"

    def _kept(self, lost: list[str], joined: Sequence[str]) -> Iterator[str]:
        """What served at the last look serves still, if nothing has lost or got power since; also
        of a cluster of which a host is dead. Of two API servers there is always one."""
        before, self.well = self.well, (lost, self.quorum(), bool(self.ready_hosts()))
        if before[0] != lost:
            return
        if before[1] and not self.well[1]:
            yield f"etcd has lost its quorum while {lost} are dead: {self.voters()}"
        if before[2] and not self.well[2] and len(joined) > 1:
            yield f"no API server is ready any more while {lost} are dead"

    def _membership(self) -> Iterator[str]:
        """What changed since the last look is held against what etcd allows and survives."""
        before, self.listed = self.listed, dict(self.members)
        come, gone = self.listed.keys() - before.keys(), before.keys() - self.listed.keys()
        if before and come and (why := self.add_refused(before)):
            yield f"{sorted(come)} became a member of etcd in spite of: {why}"
        if gone and self._quorate(before) and self.listed and not self.quorum():
            yield f"etcd has lost its quorum with {sorted(gone)}: {self.voters()} are left"
        folder = member_folder(self.spec)
        self.removed = {host for host in self.removed if self.hosts[host].has(folder)}
        for host in self.removed & self.members.keys():
            if self.etcd_runs(host):
                yield f"etcd of {host} is a member with the data of one that was removed"

    def _interrupted(self) -> Iterator[str]:
        """Hosts that have served and do not serve now, against the budgets of the spec."""
        planes = self.spec.having(Role.CONTROL_PLANE)
        workers = [host for host in self.spec.having(Role.WORKER) if host not in planes]
        balancer = units.balancer(self.spec.name)
        watched: list[tuple[str, Sequence[str], tuple[str, ...], int]] = [
            ("balancers", self.spec.having(Role.LOAD_BALANCER), (balancer,), 1),
            ("etcd members", self.spec.having(Role.ETCD), (units.ETCD,), 1),
            ("runtimes of control planes", planes, (units.CONTAINERD, units.KUBELET), 1),
            (
                "workers",
                workers,
                (units.CONTAINERD, units.KUBELET),
                self.spec.policies.workers_at_once(len(self.spec.having(Role.WORKER))),
            ),
        ]
        for what, hosts, names, budget in watched:
            up = {host for host in hosts if all(map(self.hosts[host].active, names))}
            self.been_up.setdefault(what, set()).update(up)
            down = sorted(self.been_up[what] & set(hosts) - up)
            if units.KUBELET in names:
                # A join that is taken back ends the kubelet that it began.
                down = [host for host in down if self.hosts[host].marked(marks.JOINED)]
            if units.ETCD in names:
                # One that has left and comes again serves when it votes.
                down = [host for host in down if host in self.voters()]
            self.most_down[what] = max(self.most_down.get(what, 0), len(down))
            if len(down) > budget:
                yield f"{what} of {down} are down at once"

    def _authorities(self) -> Iterator[str]:
        if any(host.marked(marks.JOINED) for host in self.hosts.values()):
            for name, (public, private) in AUTHORITIES.items():
                for host, here in self.hosts.items():
                    if here.has(public, private):
                        text = here.text(public)
                        if self.authorities.setdefault(name, text) != text:
                            yield f"{host} has another {name}"

    def age(
        self, end: datetime, only: Callable[[str, str], bool] = lambda _host, _path: True
    ) -> None:
        """Time has passed: certificates that were issued end then. only: of a host and a path."""
        keys = {
            certificate(embedded(here.text(public))).subject_key_id: here.text(private)
            for here in self.hosts.values()
            for public, private in AUTHORITIES.values()
            if here.has(public, private) and embedded(here.text(public))
        }
        for name, here in self.hosts.items():
            for path in here.of_cluster():
                file = here.files[path]
                old = embedded(file.text)
                issuer = certificate(old).authority_key_id if old else ""
                if issuer and only(name, path):
                    new = ending(old, keys[issuer], end)
                    before, after = (b64encode(each.encode()).decode() for each in (old, new))
                    text = file.text.replace(old, new).replace(before, after)
                    here.write(path, text, file.mode, file.owner)
            here.reads_now()
            client = marks.path(marks.KUBECONFIG + self.spec.name)
            if here.has(client) and only(name, client):
                words = [*here.text(client).split()[:3], end.isoformat()]
                here.write(client, " ".join(words), 0o600)
        self.ended = self.ended or end <= READ_AT

    def serves_with(self, host: str, leaf: str, authority: str) -> bool:
        """Whether a certificate with its key is there and was issued by the authority there."""
        here = self.hosts[host]
        if not here.has(leaf, at.key(leaf), authority):
            return False
        issuer = certificate(here.text(authority))
        return certificate(here.text(leaf)).authority_key_id == issuer.subject_key_id

    def restarts(self) -> Mapping[str, list[str]]:
        """What was started, stopped or reloaded on each host since `forget`."""
        return {name: list(host.log) for name, host in self.hosts.items() if host.log}

    def forget(self) -> None:
        for host in self.hosts.values():
            host.log.clear()
