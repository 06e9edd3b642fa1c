"""One run: from a whole cluster through a fault back to a whole cluster."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import replace

from kanae.drills.cluster.etcd import NOBODY, Etcd
from kanae.drills.cluster.kube import Kube
from kanae.drills.faults.build import build
from kanae.drills.faults.protocol import Fault, Sign
from kanae.drills.judging.verdict import Verdict
from kanae.drills.launching.process import ProberLost, ProberProcess
from kanae.drills.probing.client import RequestFailed
from kanae.drills.probing.writing import Writer
from kanae.drills.records import (
    Evidence,
    FaultEvent,
    Hashes,
    Heal,
    Health,
    Leader,
    Machine,
    Note,
    Phase,
    PhaseName,
    Record,
)
from kanae.drills.running import recovery_record, run_folder
from kanae.drills.running.healing import Healing
from kanae.drills.running.proofs import Deployments
from kanae.drills.running.proving import place, prove
from kanae.drills.running.recovery import recover
from kanae.drills.running.recovery_record import RecoveryRecord
from kanae.drills.running.restoring import Restoring
from kanae.drills.running.run_folder import conclude
from kanae.drills.running.setting import Setting
from kanae.drills.scenarios.scenario import SINGLE_POINT, HealKind
from kanae.errors import KanaeError

_WARM_UP = 3.0
_LEADER_EVERY = 1.0


class Orchestrator:
    """Of one run. `await Orchestrator(setting).run()` is the whole of it."""

    def __init__(self, setting: Setting) -> None:
        self._set = setting
        self._zero = time.monotonic()
        self._path = setting.folder / run_folder.HISTORY
        self._writer = Writer(self._path)
        self._fault: Fault = build(setting.scenario.plan(setting.hosts), setting.tools)
        spec = setting.tools.spec
        self._routes = setting.routes
        self._kube = Kube.of(setting.routes, setting.credentials)
        self._etcd = Etcd(spec, setting.tools.transport)
        # After a restore every kubelet has to speak again: what the API tells of it is old.
        waited = setting.hosts if setting.remedy is None else spec.nodes
        self._healing = Healing(setting.tools, self._kube, self._etcd, waited)
        self._deployments = Deployments(
            spec,
            self._kube,
            setting.tools.transport,
            setting.namespace,
            setting.image,
            setting.kubeconfigs,
        )
        self._restoring: Restoring | None = None
        if setting.remedy is not None:
            self._restoring = Restoring(
                setting, setting.remedy, self._kube, self._deployments, self._now, self._write
            )
        self._away = NOBODY
        self._disturbed = False

    def _now(self) -> float:
        return round(time.monotonic() - self._zero, 6)

    def _write(self, entry: Record) -> None:
        self._writer.write(entry)

    def _phase(self, name: PhaseName) -> None:
        self._write(Phase(self._now(), name))
        self._write(Machine(self._now(), os.cpu_count() or 1, round(os.getloadavg()[0], 2)))
        self._set.say(f"{self._now():7.1f} s  {name}")

    async def run(self) -> Verdict:
        """Run it, put everything back, check. The verdict is also kept beside the history.

        A run whose prober was lost is void. Whatever else ends it before its time is raised.
        """
        self._fault.check_safe()
        self._write(self._set.header(time.time() - (time.monotonic() - self._zero)))
        problems = () if self._set.accepted else self._set.problems
        self._write(Health(self._now(), "before", problems))
        for problem in self._set.problems:
            self._write(Note(self._now(), "info", f"not whole before the drill: {problem}"))
        if self._set.single_balancer:
            self._set.say(f"{SINGLE_POINT}: its loss takes the endpoint away")
        self._keep_record()
        config = self._set.probing(self._path, self._zero)
        try:
            async with AsyncExitStack() as stack:
                if self._set.way is not None:
                    inside = await stack.enter_async_context(self._set.way.open(self._wrong))
                    config = replace(config, routes=(*self._routes, *inside))
                process = ProberProcess(config, self._set.place, self._writer)
                prober = await stack.enter_async_context(process)
                leaders = asyncio.create_task(self._follow_leader())
                stack.callback(leaders.cancel)
                await self._watched(prober)
                await prober.finish()
            await self._last_look()
        except BaseException as error:
            why = error.message if isinstance(error, KanaeError) else str(error)
            text = f"cut short: {why or type(error).__name__}"
            self._write(Note(self._now(), "wrong", text))
            await self._put_back()
            if not isinstance(error, ProberLost) or recovery_record.kept(self._set.folder):
                raise
        finally:
            self._writer.close()
        recovery_record.settle(self._set.folder)
        return conclude(self._set.folder)

    def _wrong(self, text: str) -> None:
        self._write(Note(self._now(), "wrong", text))
        self._set.say(text)

    async def _watched(self, prober: ProberProcess) -> None:
        """Break and mend while the prober lives; without it what was broken is put back at once."""
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(prober.watch())
                await self._break_and_mend()
                watching.cancel()
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _put_back(self) -> None:
        """After an interruption. What cannot be put back now stays in the record."""
        try:
            await recover(self._set.folder, self._set.tools, self._kube)
        except KanaeError as error:
            self._set.say(f"not everything is back yet: {error}")

    def _keep_record(self) -> None:
        pid = os.getpid()
        recovery_record.write(
            self._set.folder,
            RecoveryRecord(
                run=self._set.run,
                drill=self._set.scenario.name,
                cluster=self._set.tools.spec.name,
                plan=self._set.scenario.plan(self._set.hosts),
                namespaces=(self._set.namespace,),
                pid=pid,
                started=recovery_record.process_start(pid),
                prober=self._set.place.host,
            ),
        )

    async def _break_and_mend(self) -> None:
        scenario = self._set.scenario
        self._phase("warm-up")
        await asyncio.sleep(_WARM_UP)
        try:
            if scenario.proof == "moved":
                await place(self._set, self._deployments)
            if self._restoring is not None:
                await self._restoring.secure()
            self._write(FaultEvent(self._now(), "prepare"))
            self._disturbed = True
            await self._fault.prepare()
            if scenario.kind == "return":
                self._away = frozenset(self._set.hosts)
                await asyncio.sleep(scenario.hold)
            self._phase("steady")
            await asyncio.sleep(scenario.steady)
            origin = await self._break()
            await self._mend(origin)
        finally:
            if self._disturbed:
                # Ctrl-C comes here too: what was broken is put back before anything else.
                self._set.say("putting everything back")
                await self._fault.undo()
        self._phase("after")
        await asyncio.sleep(scenario.after)

    async def _break(self) -> float:
        """Inject, hold, look for signs, prove. Returns when it was injected."""
        scenario = self._set.scenario
        self._phase("fault")
        await self._healing.remember_heartbeats()
        begun = self._now()
        self._write(FaultEvent(begun, "inject", str(scenario.plan(self._set.hosts))))
        if scenario.kind in ("cut", "off", "partition", "pause", "blank"):
            self._away = frozenset(self._set.hosts)
        await self._fault.inject()
        self._write(FaultEvent(self._now(), "injected"))
        self._signs(await self._fault.signs())
        if scenario.proof:
            proof = await prove(self._set, self._deployments, begun, self._now)
            self._write(proof)
            self._set.say(f"{self._now():7.1f} s  {proof.name}: {proof.detail}")
        if not scenario.heals_itself or scenario.kind == "none":
            await asyncio.sleep(max(0.0, begun + scenario.hold - self._now()))
        return begun

    def _signs(self, signs: tuple[Sign, ...]) -> None:
        for sign in signs:
            self._write(Evidence(self._now(), sign.name, sign.host, sign.took, sign.detail))
            mark = "seen" if sign.took else "NOT SEEN"
            self._set.say(f"{self._now():7.1f} s  {mark}: {sign.name} {sign.host} ({sign.detail})")

    async def _mend(self, injected: float) -> None:
        scenario = self._set.scenario
        self._phase("recovery")
        if scenario.kind == "none":
            origin = self._now()
        elif scenario.heals_itself:
            origin = injected
        else:
            await self._healing.remember_heartbeats()
            origin = self._now()
            self._write(FaultEvent(origin, "undo"))
            await self._fault.undo()
            self._write(FaultEvent(self._now(), "undone"))
        self._disturbed = False
        end = asyncio.get_running_loop().time() + scenario.deadline
        if self._restoring is not None:
            await self._restored(self._restoring, origin, end)
        for what in scenario.heals:
            if what != "api":
                await self._heal(what, origin, end)
        if self._restoring is not None:
            await self._restoring.prove()
        self._signs(await self._fault.signs_after())
        await asyncio.sleep(max(0.0, injected + scenario.hold - self._now()))

    async def _restored(self, restoring: Restoring, origin: float, end: float) -> None:
        """Redundancy is only looked for when it has ended: until then the API tells of the past."""
        answering = asyncio.create_task(self._heal("api", origin, end))
        try:
            await restoring.restore()
            await answering
        finally:
            answering.cancel()

    async def _heal(self, what: HealKind, origin: float, end: float) -> None:
        looks = {
            "api": self._healing.api_missing,
            "host": self._healing.hosts_missing,
            "node": self._healing.nodes_missing,
            "redundancy": self._healing.redundancy_missing,
        }
        missing = await self._healing.until(looks[what], end)
        self._away = NOBODY
        seconds = None if missing else self._now() - origin
        self._write(Heal(self._now(), what, seconds, "; ".join(missing)))
        shown = f"after {seconds:.1f} s" if seconds is not None else f"NOT: {'; '.join(missing)}"
        self._set.say(f"{self._now():7.1f} s  {what} whole again {shown}")

    async def _follow_leader(self) -> None:
        while True:
            statuses = await self._etcd.statuses(self._away)
            newest = max(statuses.values(), key=lambda status: status.revision, default=None)
            if newest is not None and newest.leader:
                leads = (host for host, s in statuses.items() if s.member == newest.leader)
                self._write(Leader(self._now(), newest.leader, next(leads, "")))
            await asyncio.sleep(_LEADER_EVERY)

    async def _last_look(self) -> None:
        try:
            missing = await self._healing.redundancy_missing()
        except RequestFailed as error:
            missing = [f"the API does not answer: {error.detail}"]
        self._write(Health(self._now(), "after", tuple(missing)))
        revision, hashes = await self._etcd.compared()
        self._write(Hashes(self._now(), revision, hashes))
