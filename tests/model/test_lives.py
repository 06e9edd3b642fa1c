"""Whole lives of clusters: hosts die, come back, leave, join and are replaced in any order, and
kanae is killed in the middle. What must never happen never does."""

from __future__ import annotations

import copy
import os
import re
from itertools import combinations
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kanae.errors import Refused
from kanae.plan.etcd import member_folder
from kanae.plan.membership import as_known, without
from kanae.spec.models import Role, Spec
from kanae.spec.rules import violations

from .fixtures import Desk, Document, document_of, grown, to_virtual
from .settled import unsettled
from .simulator import Moments, Simulator, whole_world

# Of each topology; `make lives` tries more.
_MORE = os.environ.get("KANAE_LIVES", "")
_EXAMPLES = int(_MORE or "4")
# Hosts in a remedy that are to be replaced.
_NAMED = re.compile(r"(?:kanae replace|--also) ([\w-]+)")
# Of a run of so many effects or records, somewhere in it.
_KILL = st.integers(1, 120)


# Of an example: hosts that may come to it, by how many there are of which kind.
_MORE_HOSTS = {
    "vip": {"master": 5, "worker": 4},
    "reference": {},
    "dedicated-etcd": {"etcd": 5, "worker": 3},
    "single": {},
}


def _entries(example: str, document: Document) -> dict[str, Any]:
    """All hosts that a cluster may have."""
    hosts = copy.deepcopy(document["hosts"])
    for kind, many in _MORE_HOSTS[example].items():
        network = hosts[f"{kind}1"]["address"].rpartition(".")[0]
        for number in range(1, many + 1):
            address = f"{network}.{sorted(_MORE_HOSTS[example]).index(kind) + 1}{number:02}"
            hosts.setdefault(f"{kind}{number}", hosts[f"{kind}1"] | {"address": address})
    return hosts


def _moved(example: str) -> Document | None:
    """The example with a virtual address as its endpoint, and two balancers."""
    if example == "single":
        return grown()
    if example != "reference":
        return None
    document = document_of(example)
    to_virtual(document)
    return document | {"apiServer": {"certSans": [document["hosts"]["lb"]["address"]]}}


class Life(RuleBasedStateMachine):
    """One cluster. dead: hosts without power. entries: hosts that it may have. later: what it
    becomes when its endpoint moves; None when it has moved, or does not. alone: whether hosts that
    came back are replaced one after the other the next time, or together.
    """

    example: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.sim = Simulator(whole_world(self.example).copy())
        self.document: Document = document_of(self.example)
        self.entries = _entries(self.example, self.document)
        self.later = _moved(self.example)
        self.dead: set[str] = set()
        self.alone = False

    @initialize()
    def built(self) -> None:
        assert unsettled(self.sim.world) == []

    # What happens to hosts

    def _survivable(self, host: str) -> bool:
        """Whether the cluster would live on without it: no plan can help where it does not."""
        world = self.sim.world
        voters = [each for each in world.voters() if each != host]
        running = [each for each in voters if world.etcd_runs(each)]
        masters = [each for each in world.ready_hosts() if each != host]
        return len(running) > len(world.voters()) // 2 and bool(masters)

    @rule(data=st.data())
    def loses_power(self, data: st.DataObject) -> None:
        """Two may be dead at a time."""
        world = self.sim.world
        alive = [host for host, here in world.hosts.items() if here.powered]
        able = [host for host in alive if self._survivable(host)]
        if len(self.dead) < 2 and able:
            host = data.draw(st.sampled_from(sorted(able)))
            world.hosts[host].power_cut()
            self.dead.add(host)

    @precondition(lambda self: self.dead)
    @rule()
    def comes_back(self) -> None:
        for host in self.dead:
            self.sim.world.hosts[host].power_on()
        self.dead.clear()

    @precondition(lambda self: self.dead)
    @rule()
    def is_replaced(self) -> None:
        """As `kanae replace` does it: the spec without the hosts, then the spec."""
        dead = sorted(self.dead)
        if not self.dead <= set(self.sim.world.spec.hosts) or not self._leaves(dead):
            return
        for host in dead:
            self.sim.world.add_host(host)
            self._forget(host)
        self.dead.clear()
        self._join()

    # What operators do

    @rule(data=st.data(), kill=st.none() | _KILL)
    def hosts_leave(self, data: st.DataObject, kill: int | None) -> None:
        """One or two that a spec may be without. With a dead one that stays there is no apply."""
        hosts = self.document["hosts"]
        gone = self.dead & set(hosts)
        pairs = [*((host,) for host in sorted(hosts)), *combinations(sorted(hosts), 2)]
        able = [
            after
            for pair in pairs
            if gone <= set(pair)
            and self._valid(after := {n: each for n, each in hosts.items() if n not in pair})
        ]
        if able:
            self.document["hosts"] = data.draw(st.sampled_from(able))
            self._edit()
            self._apply(kill)

    @rule(data=st.data(), kill=st.none() | _KILL)
    def hosts_come(self, data: st.DataObject, kill: int | None) -> None:
        """All that are missing or some, as they are now: new, or with what they had when they
        left."""
        hosts = self.document["hosts"]
        new = sorted(set(self.entries) - set(hosts))
        some = [*({host} for host in new), *map(set, combinations(new, 2)), set(new)]
        able = [
            after
            for coming in some
            if self._valid(after := hosts | {host: self.entries[host] for host in sorted(coming)})
        ]
        if able:
            self.document["hosts"] = copy.deepcopy(data.draw(st.sampled_from(able[::-1])))
            self._edit()
            self._apply(kill)

    @precondition(lambda self: self.later is not None)
    @rule(kill=st.none() | _KILL)
    def endpoint_moves(self, kill: int | None) -> None:
        """And hosts come: one control-plane host becomes three."""
        assert self.later is not None
        self.document, self.later = self.later, None
        self.entries |= copy.deepcopy(self.document["hosts"])
        self._edit()
        self._apply(kill)

    @rule(kill=_KILL)
    def applies_and_is_killed(self, kill: int) -> None:
        self._apply(kill)

    def _valid(self, hosts: dict[str, Any]) -> bool:
        try:
            spec = Spec.model_validate(self.document | {"hosts": hosts})
        except ValueError:
            return False
        if list(violations(spec)):
            return False
        now = self.sim.world.spec
        return spec.endpoint_host == now.endpoint_host and spec.etcd_topology is now.etcd_topology

    def _edit(self) -> None:
        world = self.sim.world
        world.edit(Spec.model_validate(self.document))
        for host in world.spec.hosts:
            if host not in world.nodes:
                self._forget(host)

    def _forget(self, host: str) -> None:
        """A host that joins anew is not one that joined twice."""
        world = self.sim.world
        world.joins.pop(host, None)
        if world.inits.pop(host, None):
            world.inits["somewhere"] = 1

    def _apply(self, kill: int | None, *, replacing: bool = False) -> bool:
        """Whether it came to its end. An operator is told about hosts that do not answer, and about
        what is refused; hosts that have left and came back are replaced, as the remedy says."""
        world = self.sim.world
        if any(not world.hosts[host].powered for host in world.spec.hosts):
            return False
        self.sim.settle()
        try:
            result = self.sim.apply(Moments(kill_record=kill) if kill else None)
        except Refused as refused:
            hosts = _NAMED.findall(refused.remedy)
            # One after the other, or all at once: either is right.
            turns = [[host] for host in hosts] if self.alone else [hosts]
            if replacing or not hosts:
                return False
            self.alone = not self.alone
            return all(self._leaves(turn) and self._join() for turn in turns)
        if result is None:
            return False
        assert result.ok, result.failure(self.sim.values.redactor)
        return True

    def _leaves(self, hosts: list[str]) -> bool:
        world = self.sim.world
        whole = world.spec
        if set(whole.having(Role.CONTROL_PLANE)) <= set(hosts):
            return False
        world.desk = Desk.of(without(whole, *hosts)).replacing(
            *(as_known(whole, host) for host in hosts)
        )
        world.wanted_units.clear()
        done = self._apply(None, replacing=True)
        world.desk = Desk.of(whole)
        world.wanted_units.clear()
        return done

    def _join(self) -> bool:
        """The second half of replacing."""
        self._edit()
        self.sim.world.desk = Desk.of(self.sim.world.spec).replacing()
        done = self._apply(None, replacing=True)
        self._edit()
        return done

    # What must hold

    @invariant()
    def nothing_has_gone_wrong(self) -> None:
        assert self.sim.world.violations == []

    @invariant()
    def no_acknowledged_write_is_lost(self) -> None:
        """Whatever a majority of voters has acknowledged is on the disk of one that can tell it."""
        world = self.sim.world
        folder = member_folder(world.spec)
        voters = world.voters()
        empty = [host for host in voters if not world.hosts[host].has(folder)]
        assert len(empty) <= (len(voters) - 1) // 2, f"{empty} of {voters} have no data"

    def teardown(self) -> None:
        """Whatever has happened: with power everywhere, one apply or two bring about the spec; or
        what is refused is taken back, and they bring about all hosts."""
        world = self.sim.world
        for host in self.dead:
            world.hosts[host].power_on()
        if not [self._apply(None) for _ in range(3)][-1]:
            self.document["hosts"] = copy.deepcopy(self.entries)
            self._edit()
            assert [self._apply(None) for _ in range(3)][-1]
        assert self.sim.plan().empty
        assert unsettled(world) == []


def _test(name: str) -> Any:
    machine = type(f"LifeOf{name.title()}", (Life,), {"example": name})
    case = machine.TestCase
    case.settings = settings(
        max_examples=_EXAMPLES,
        stateful_step_count=8,
        # The same ones each time, but when more are tried.
        derandomize=not _MORE,
        deadline=None,
        # A life is told as it was: making it shorter would take many minutes.
        phases=(Phase.generate,),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    return case


TestVip = _test("vip")
TestReference = _test("reference")
TestDedicatedEtcd = _test("dedicated-etcd")
TestSingle = _test("single")
