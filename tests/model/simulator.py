"""Runs of the real planner, scheduler and journal on simulated hosts, with kills and power cuts."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from typing import Any, Final

from kanae.errors import ConnectError, ConnectionLost
from kanae.execute.actions import authorities, client, leaves, reset
from kanae.execute.actions.kubeadm import TOKEN, new_token
from kanae.execute.context import Handler, StepContext
from kanae.execute.events import Event, Outcome
from kanae.execute.journal import Journal
from kanae.execute.result import RunResult
from kanae.execute.scheduler import RunContext, run_plan
from kanae.execute.scripts import files as file_scripts
from kanae.execute.values import Values
from kanae.operations.certificates import chosen
from kanae.plan import actions
from kanae.plan.model import Action, Plan
from kanae.plan.planner import plan as planner_plan
from kanae.plan.planner import renew as plan_renewal
from kanae.plan.reset import reset as plan_reset
from kanae.plan.restore import restore as plan_restore
from kanae.plan.restore_refusals import refuse as refuse_restore
from kanae.plan.saved import Saved
from kanae.transport.protocol import Completed, Transport, Upload

from .effects import EFFECTS
from .effects.base import Effects
from .fixtures import Desk, example
from .world import World

# Their programs outlive the connection that started them (see `execute.actions.guarded`).
GUARDED: Final = (actions.KubeadmInit, actions.KubeadmJoin)
_RUNS: Final = count()


def _pattern(script: str, *names: str) -> re.Pattern[str]:
    """What a real script looks like with anything in place of these words of it."""
    pattern = re.escape(script)
    for name in names:
        first, *others = pattern.split(name)
        pattern = f"(?P={name})".join([rf"{first}(?P<{name}>\S+){others[0]}", *others[1:]])
    return re.compile(pattern)


_FOLDER: Final = _pattern(file_scripts.folder_of("FOLDER/file", "OWNER"), "FOLDER", "OWNER")


class Killed(BaseException):
    """The operator's process is gone. No exception handler of the tool may notice."""


@dataclass(slots=True)
class Moments:
    """What happens to the run from outside. kill_record, kill_effect: counted from 1. cut: host
    and the effect at which it loses its power. seen: called after every effect and record.
    """

    kill_record: int = 0
    kill_effect: int = 0
    cut: tuple[str, int] = ("", 0)
    seen: Callable[[str], None] | None = None
    effects: int = 0
    records: int = 0
    dead: bool = False


@dataclass(slots=True)
class SimTransport:
    """Files that real handlers of actions read and write, by the few scripts that they use."""

    sim: Simulator
    host: str

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        await self.sim.effect(self.host)
        files = self.sim.world.hosts[self.host].files
        if found := re.fullmatch(r"(?:\[ ! -e (\S+) \] \|\| )?cat (\S+)", script):
            path = found[2]
            if path in files:
                return Completed(0, files[path].text.encode(), "")
            return Completed(0 if found[1] else 1, b"", "" if found[1] else f"no file {path}")
        if found := _FOLDER.fullmatch(script):
            self.sim.world.hosts[self.host].folder(found["FOLDER"], 0o750, found["OWNER"])
            return Completed(0, b"", "")
        if found := re.fullmatch(r"rm -f (\S+)", script):
            self.sim.world.hosts[self.host].remove(found[1])
            return Completed(0, b"", "")
        raise AssertionError(f"a script that the simulator does not know: {script}")

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        for each in uploads:
            assert isinstance(each.source, bytes)
            await self.sim.effect(self.host)
            self.sim.world.hosts[self.host].write(
                each.path, each.source.decode(), each.mode, each.owner
            )

    async def close(self) -> None: ...


@dataclass(slots=True)
class SimHosts:
    sim: Simulator

    def __getitem__(self, host: str) -> Transport:
        return SimTransport(self.sim, host)

    async def recover(self, host: str, *, grace: float) -> None:
        if not self.sim.world.hosts[host].powered:
            raise ConnectError(host, "no route to host")


class KillingJournal(Journal):
    """The real journal, which ends the operator's life after a given record."""

    moments: Moments

    def record(self, event: Event) -> None:
        if self.moments.dead:
            raise Killed
        super().record(event)
        self.moments.records += 1
        if self.moments.seen is not None:
            self.moments.seen("record")
        if self.moments.records == self.moments.kill_record:
            self.moments.dead = True
            raise Killed


@dataclass(slots=True)
class Simulator:
    """flights: what was running on hosts when the operator was killed, by step: its host, the
    effects that are still to come, and whether it outlives its connection by design (kubeadm).
    """

    world: World
    moments: Moments = field(default_factory=Moments)
    values: Values = field(default_factory=Values)
    flights: dict[str, tuple[str, Effects, bool]] = field(default_factory=dict[str, Any])
    events: list[Event] = field(default_factory=list[Event])
    journals: list[Journal] = field(default_factory=list[Journal])

    def plan(self) -> Plan:
        return self.world.desk.plan(self.world.facts())

    def renewal_plan(self, *only: str) -> Plan:
        view = self.world.desk.view(self.world.facts())
        asked = chosen(view.spec, only)
        return plan_renewal(replace(view, site=replace(view.site, renewing=asked)))

    def reset_plan(self, *, keep_artifacts: bool = False, identity: str = "") -> Plan:
        view = self.world.desk.view(self.world.facts())
        return plan_reset(view, keep_artifacts=keep_artifacts, identity=identity)

    def restore_plan(self, saved: Saved, *off: str) -> Plan:
        view = self.world.desk.view(self.world.facts())
        refuse_restore(view, saved, off)
        return plan_restore(view, saved)

    def rebuild_plan(self, saved: Saved) -> Plan:
        view = self.world.desk.view(self.world.facts())
        return planner_plan(replace(view, site=replace(view.site, backup=saved)))

    def carry_out(self, plan: Plan, moments: Moments | None = None) -> RunResult | None:
        """None when the operator was killed."""
        self.moments = moments or Moments()
        self.values = Values()
        journal = KillingJournal(self.world.spec.name, f"run-{next(_RUNS):06}", None)
        journal.redactor = self.values.redactor
        journal.moments = self.moments
        self.journals.append(journal)
        with journal:
            try:
                return asyncio.run(self._run(plan, journal))
            except Killed:
                return None

    async def _run(self, plan: Plan, journal: KillingJournal) -> RunResult:
        return await run_plan(
            plan,
            self.handlers(),
            RunContext(SimHosts(self), self.values),
            journal=journal,
            emit=self.events.append,
        )

    def apply(self, moments: Moments | None = None) -> RunResult | None:
        return self.carry_out(self.plan(), moments)

    def converge(self) -> None:
        """Apply once, to the end, after which nothing is left to do."""
        result = self.apply()
        assert result is not None
        assert result.ok, result.failure(self.values.redactor)
        left = self.plan()
        assert left.empty, [(step.id, step.changes) for step in left]

    def let_programs_end(self) -> None:
        """What outlives its connection by design comes to its end; the rest is ended at once."""
        self._go_on(lambda _, lives: lives)
        self.flights.clear()

    def go_on(self, moments: int) -> None:
        """Everything that runs on hosts without an operator goes on for some effects."""
        self._go_on(lambda done, _: done < moments)

    def settle(self) -> None:
        """What taking over a lease sees to: all that still runs comes to its end."""
        self._go_on(lambda done, _: True)
        self.flights.clear()

    def _go_on(self, goes: Callable[[int, bool], bool]) -> None:
        for step, (host, effects, lives) in list(self.flights.items()):
            # A program that fails tells nobody.
            with contextlib.suppress(Exception):
                done = 0
                while self.world.hosts[host].powered and goes(done, lives):
                    if next(effects, self) is self:
                        del self.flights[step]
                        break
                    self.world.watch()
                    done += 1

    async def effect(self, host: str) -> None:
        """A moment between two effects on a host."""
        if self.moments.dead:
            raise Killed
        self.moments.effects += 1
        self.world.watch()
        if self.moments.seen is not None:
            self.moments.seen("effect")
        if self.moments.effects == self.moments.kill_effect:
            self.moments.dead = True
            raise Killed
        lost, when = self.moments.cut
        if lost and self.moments.effects == when:
            self.world.hosts[lost].power_cut()
        await asyncio.sleep(0)
        if host and not self.world.hosts[host].powered:
            raise ConnectionLost(host, "connection lost")

    def handlers(self) -> Mapping[type[Action], Handler]:
        real = {
            actions.GatherAuthorities: Handler(authorities.gather),
            actions.WriteAuthorities: Handler(authorities.write),
            actions.RecordIdentity: Handler(authorities.record_identity),
            actions.IssueCertificates: Handler(leaves.issue),
            actions.WriteKubeconfig: Handler(client.write),
            actions.RemoveKubeconfig: Handler(reset.remove_kubeconfig),
        }
        return real | {
            kind: Handler(self._simulated(kind), self._joined if kind in GUARDED else None)
            for kind in EFFECTS
        }

    async def _joined(self, ctx: StepContext) -> bool | None:
        host = self.world.hosts[ctx.step.host or ""]
        return True if host.marked("joined") else None

    def _simulated(
        self, kind: type[Action]
    ) -> Callable[[StepContext], Coroutine[Any, Any, Outcome]]:
        async def run(ctx: StepContext) -> Outcome:
            host = ctx.step.host or ""
            if not self.world.hosts[host].powered:
                raise ConnectError(host, "no route to host")
            if kind in (actions.KubeadmInit, actions.MintToken):
                ctx.values.put(TOKEN, new_token())
            if kind is actions.KubeadmJoin:
                assert ctx.values.get(TOKEN)
            effects = EFFECTS[kind](self.world, ctx.step, ctx.step.action)
            self.flights[ctx.step.id] = (host, effects, kind in GUARDED)
            try:
                while True:
                    next(effects)
                    await self.effect(host)
            except StopIteration as end:
                self.flights.pop(ctx.step.id, None)
                self.world.watch()
                outcome: Outcome = end.value
                return outcome
            except Exception:
                self.flights.pop(ctx.step.id, None)
                raise

        return run


@cache
def whole_world(name: str) -> World:
    """Of an example's cluster: to be copied."""
    sim = Simulator(World.bare(Desk.of(example(name))))
    sim.converge()
    return sim.world
