"""How the cluster of a drill is restored: as an operator does it, from a backup or a survivor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kanae.artifacts.progress import Progress, Silent
from kanae.backup.folder import FolderTarget
from kanae.drills.cluster.power import Power
from kanae.drills.running import run_folder
from kanae.drills.running.remedy import TakenBack
from kanae.errors import CheckFailed, NoBackup
from kanae.execute.events import Event, Outcome, StepEnded
from kanae.operations import backup
from kanae.operations.project import Project
from kanae.operations.restore import opened, private_folder, restored
from kanae.operations.scratch import scratch
from kanae.operations.survey import survey
from kanae.operations.survivor import survivor
from kanae.plan.actions import RestoreSnapshot
from kanae.plan.model import Plan
from kanae.plan.restore_refusals import refuse
from kanae.plan.saved import Saved
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet

_BAD: Final = (Outcome.FAILED, Outcome.INDETERMINATE)


@dataclass(frozen=True, slots=True)
class Agreed:
    """A `kanae.operations.console.Console`: who began the drill has agreed to all of it."""

    ask_password: Callable[[], str | None]
    say: Callable[[str], None]

    def password(self) -> str | None:
        return self.ask_password()

    async def decide(self, plan: Plan, *, again: bool) -> bool:
        return True

    def waiting(self, what: str) -> None:
        self.say(what)

    def obtaining(self) -> AbstractContextManager[Progress]:
        return nullcontext(Silent())

    @contextmanager
    def running(self, plan: Plan) -> Generator[Callable[[Event], None]]:
        yield self._event

    def _event(self, event: Event) -> None:
        if isinstance(event, StepEnded) and event.outcome in _BAD:
            self.say(f"{event.step}: {event.error}")


@dataclass(frozen=True, slots=True)
class Restoration:
    """A `kanae.drills.running.remedy.Remedy`. folder: of the run. member: the host whose member is
    restored from, None for the run's own backup, which is made in any case. blank: hosts in whose
    place other machines will be, with other host keys. identity_file: see `restore.opened`.

    lent: gives the lease of the cluster up to whoever restores it, and takes it back afterwards.
    """

    project: Project
    folder: Path
    member: str | None
    blank: tuple[str, ...]
    power: Power
    console: Agreed
    lent: Callable[[], AbstractAsyncContextManager[None]]
    identity_file: Path | None = None
    host_keys: HostKeys | None = None

    async def secure(self) -> str:
        """The backup is read in full, and compared with what the cluster is: a restore of it that
        would be refused after the loss is refused before it."""
        target = FolderTarget(self.folder / run_folder.BACKUPS)
        made = await backup.create(
            self.project, target, self.console.password, self.console.say, self.host_keys
        )
        with ExitStack() as stack:
            saved = await asyncio.to_thread(stack.enter_context, self._opened())
            async with Fleet(
                self.project.spec,
                password=self.console.password,
                tolerant=True,
                host_keys=self.host_keys,
            ) as fleet:
                facts = await survey(self.project, fleet)
                view = self.project.view(facts, {})
                refuse(view, saved)
                if self.member is not None:
                    # What it still has is brought to life there: all that takes is at hand.
                    async with scratch(
                        self.project, fleet[self.member], view.base(self.member).arch
                    ):
                        pass
        return f"{made.name}, {made.size / 1e6:.1f} MB, revision {saved.revision}"

    def _file(self) -> Path:
        file = run_folder.backup_in(self.folder)
        if file is None:
            raise NoBackup(f"the backup of this run is gone from {self.folder}")
        return file

    def _opened(self) -> AbstractContextManager[Saved]:
        return opened(self._file(), self.identity_file)

    async def restore(self) -> TakenBack:
        keys = await self._keys()
        async with self.lent():
            with ExitStack() as stack:
                if self.member is None:
                    saved = await asyncio.to_thread(stack.enter_context, self._opened())
                    source = self._file().name
                else:
                    folder = stack.enter_context(private_folder())
                    saved = await survivor(
                        self.project, self.member, folder, self.console.password, keys
                    )
                    source = f"the member on {self.member}"
                done = await restored(
                    self.project, saved, self.console, lambda: self.console, host_keys=keys
                )
        return TakenBack(saved.revision, saved.revision + raised(done.plan), source)

    async def _keys(self) -> HostKeys:
        """Those of the blank machines are known to who has put them there. What was accepted before
        is trusted by now, and may be the key of a machine that is no more."""
        given = self.host_keys or HostKeys()
        told = [await self.power.host_key(host) for host in self.blank]
        return HostKeys(frozenset(filter(None, told)), given.ask, given.say)


def raised(plan: Plan) -> int:
    """By how much a restore has raised etcd's revision. Raises CheckFailed for another plan."""
    bumps = {step.action.bump for step in plan if isinstance(step.action, RestoreSnapshot)}
    if len(bumps) != 1:
        raise CheckFailed("the restore does not tell by how much it has raised etcd's revision")
    return bumps.pop()
