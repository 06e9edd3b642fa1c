"""Whole lives of clusters: hosts die, come back, leave, join and are replaced in any order, and
kanae is killed in the middle. What must never happen never does."""

from __future__ import annotations

import copy
import os
from itertools import combinations
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kanae.errors import Refused
from kanae.layout import marks
from kanae.plan.etcd import member_folder
from kanae.plan.membership import as_known, without
from kanae.spec.models import Role, Spec
from kanae.spec.rules import violations

from .fixtures import Desk, document_of
from .settled import unsettled
from .simulator import Moments, Simulator, whole_world

# Of each topology; `make lives` tries more.
_MORE = os.environ.get("KANAE_LIVES", "")
_EXAMPLES = int(_MORE or "4")
# Of a run of so many effects or records, somewhere in it.
_KILL = st.integers(1, 120)


class Life(RuleBasedStateMachine):
    """One cluster. dead: hosts without power. disks: what hosts had that were blanked."""

    example: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.sim = Simulator(whole_world(self.example).copy())
        self.document: dict[str, Any] = document_of(self.example)
        self.entries = copy.deepcopy(self.document["hosts"])
        self.dead: set[str] = set()

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
        world = self.sim.world
        alive = [host for host, here in world.hosts.items() if here.powered]
        able = [host for host in alive if self._survivable(host)]
        # Of hosts that have left with what they had there is one at a time: two that come back
        # together cannot be replaced one after the other yet.
        left = [host for host in alive if host not in world.spec.hosts]
        if not self.dead and able and not any(world.hosts[h].marked(marks.JOINED) for h in left):
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
        """As `kanae replace` does it: the spec without the host, then the spec."""
        (host,) = self.dead
        if host not in self.sim.world.spec.hosts or not self._leaves(host):
            return
        self.sim.world.add_host(host)
        self.dead.clear()
        self._forget(host)
        self._edit()
        self._apply(None)

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

    @rule(kill=st.none() | _KILL)
    def hosts_come(self, kill: int | None) -> None:
        """All that are missing: as they are now, wiped or with what they had when they died."""
        self.document["hosts"] = copy.deepcopy(self.entries)
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
        what is refused; a host that has left and came back is replaced by itself, as the remedy
        says."""
        world = self.sim.world
        if any(not world.hosts[host].powered for host in world.spec.hosts):
            return False
        self.sim.settle()
        try:
            result = self.sim.apply(Moments(kill_record=kill) if kill else None)
        except Refused as refused:
            host = refused.remedy.partition("kanae replace ")[2].split(" ")[0].rstrip(",;")
            if replacing or not host or not self._leaves(host):
                return False
            self._edit()
            return self._apply(None, replacing=True)
        if result is None:
            return False
        assert result.ok, result.failure(self.sim.values.redactor)
        return True

    def _leaves(self, host: str) -> bool:
        world = self.sim.world
        whole = world.spec
        known = as_known(whole, host)
        hosts = {n: each for n, each in self.document["hosts"].items() if n != host}
        if not hosts or whole.having(Role.CONTROL_PLANE) == (host,):
            return False
        desk = Desk.of(without(whole, host))
        world.desk = desk.replacing(known)
        world.wanted_units.clear()
        done = self._apply(None, replacing=True)
        world.desk = Desk.of(whole)
        world.wanted_units.clear()
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

    @invariant()
    def members_are_told_apart(self) -> None:
        peers = [self.sim.world.peer(host) for host in self.sim.world.members]
        assert len(peers) == len(set(peers))

    def teardown(self) -> None:
        """Whatever has happened: with power everywhere, one apply or two bring about the spec."""
        world = self.sim.world
        for host in self.dead:
            world.hosts[host].power_on()
        for _ in range(3):
            self._apply(None)
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
