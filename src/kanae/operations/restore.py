"""Restoring a cluster from a backup."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Final

from kanae import paths
from kanae.artifacts.model import Artifact
from kanae.backup import keys
from kanae.backup.archive import Archive, open_archive
from kanae.backup.model import SNAPSHOT, told
from kanae.errors import ConnectionLost, StepTimedOut
from kanae.execute.scripts import restore as scripts
from kanae.facts.model import Facts
from kanae.layout import marks
from kanae.operations.apply import Apply
from kanae.operations.change import Changed, Ending, change
from kanae.operations.console import Console
from kanae.operations.project import Project
from kanae.operations.survey import survey
from kanae.plan.membership import in_roster
from kanae.plan.model import Plan
from kanae.plan.restore import discard, restore
from kanae.plan.restore_refusals import refuse, refuse_discarding
from kanae.plan.saved import Saved
from kanae.shown import shown
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet

# Seconds for one look at what there is in the cluster.
_LOOK: Final = 20.0
# Of what would be lost, so many are named.
_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Restore:
    """A `Procedure`. off: hosts that certainly have no power. lost: what would be lost, named."""

    saved: Saved
    off: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    purpose: str = "a restore"
    delivers: ClassVar[bool] = False

    @property
    def skips_unreachable(self) -> bool:
        """Which of them may be left out, the plan decides."""
        return True

    def plan(self, project: Project, facts: Facts, artifacts: Mapping[str, Artifact]) -> Plan:
        view = project.view(facts, artifacts)
        refuse(view, self.saved, self.off)
        plan = restore(view, self.saved)
        return replace(plan, notes=(*self.lost, *plan.notes))

    def compared(self, project: Project, facts: Facts) -> bool:
        """What is in the cluster is replaced, whatever it is."""
        return True

    async def gate(self, project: Project, facts: Facts, fleet: Fleet) -> None:
        """Refusals have said what there is to say."""

    def covers(self, agreed: Plan, now: Plan) -> bool:
        """The whole restore was agreed to."""
        return True

    async def after(self, project: Project, fleet: Fleet) -> None:
        """The operator's kubeconfig is what it was."""


@dataclass(frozen=True, slots=True)
class Discard:
    """A `Procedure`: what restores have put aside goes."""

    purpose: str = ""
    delivers: ClassVar[bool] = False

    @property
    def skips_unreachable(self) -> bool:
        return False

    def plan(self, project: Project, facts: Facts, artifacts: Mapping[str, Artifact]) -> Plan:
        view = project.view(facts, artifacts)
        refuse_discarding(view)
        return discard(view)

    def compared(self, project: Project, facts: Facts) -> bool:
        return True

    async def gate(self, project: Project, facts: Facts, fleet: Fleet) -> None:
        """Nothing that serves is touched."""

    def covers(self, agreed: Plan, now: Plan) -> bool:
        return agreed == now

    async def after(self, project: Project, fleet: Fleet) -> None:
        """Nothing comes after it."""


@contextmanager
def private_folder() -> Generator[Path, None, None]:
    """A folder that only this user can read, on the disk of the cache, gone at the end."""
    cache = paths.cache_dir()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="restore-", dir=cache) as name:
        yield Path(name)


@contextmanager
def opened(file: Path, identity_file: Path | None) -> Generator[Saved, None, None]:
    """A backup, read in full and compared with what it says of itself, with its files in a folder
    that only this user can read and that is gone at the end.

    identity_file: private keys for an encrypted one; without it those of the environment. Raises
    NoBackup, BackupBroken, BackupLocked, and UsageError for a file without keys.
    """
    found = keys.identity_file(identity_file, os.environ)
    identities = keys.identities(found) if found is not None else []
    with private_folder() as folder:
        archive = open_archive(file, identities, snapshot=folder / Path(SNAPSHOT).name)
        for each, content in archive.files.items():
            there = folder / each
            there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            there.touch(0o600)
            there.write_bytes(content)
        yield saved_of(archive, folder)


def saved_of(archive: Archive, folder: Path) -> Saved:
    """folder: where the archive's files lie, etcd's snapshot beside them."""
    manifest, snapshot = archive.manifest, archive.manifest.snapshot
    roster = archive.files.get(f"marks/{marks.HOSTS}", b"").decode(errors="replace")
    return Saved(
        cluster=manifest.cluster,
        identity=manifest.identity,
        taken=str(told(manifest)["taken"]),
        kubernetes=manifest.kubernetes,
        etcd=snapshot.etcd,
        topology=manifest.topology,
        revision=snapshot.revision,
        hosts=tuple(host.name for host in in_roster(roster)),
        snapshot=str(folder / Path(SNAPSHOT).name),
        sha256=snapshot.sha256,
        size=snapshot.size,
        folder=str(folder),
    )


async def restored(
    project: Project,
    saved: Saved,
    building: Console,
    restoring: Callable[[], Console],
    *,
    off: tuple[str, ...] = (),
    ignored: tuple[str, ...] = (),
    break_lease: bool = False,
    host_keys: HostKeys | None = None,
) -> Changed:
    """Where no control-plane host is left, the cluster is built again first, with the backup's
    authorities and data. May be interrupted at any time and called again with the same backup.

    building, restoring: asked for either half. ignored: checks of hosts that are built upon. Raises
    Refused for what must not be done.
    """
    async with Fleet(
        project.spec, password=building.password, tolerant=True, host_keys=host_keys
    ) as fleet:
        facts = await survey(project, fleet)
        lost = await _lost(project, facts, fleet, saved)
    if not project.view(facts, {}).joined_control_planes:
        again = replace(project, site=replace(project.site, backup=saved))
        built = await change(
            again, Apply(ignored), building, break_lease=break_lease, host_keys=host_keys
        )
        if built.ending is Ending.DECLINED:
            return built
        lost = ()
    procedure = Restore(saved, off, lost)
    return await change(
        project, procedure, restoring(), break_lease=break_lease, host_keys=host_keys
    )


async def _lost(project: Project, facts: Facts, fleet: Fleet, saved: Saved) -> tuple[str, ...]:
    """Objects of the usual kinds that were made since, as far as an API server tells."""
    view = project.view(facts, {})
    via = next((host for host in view.joined_control_planes if view.api_ready(host)), None)
    if via is None:
        return ()
    try:
        done = await fleet[via].run(scripts.objects(), timeout=_LOOK)
    except (ConnectionLost, StepTimedOut):
        return ()
    since = [
        shown(name)
        for line in done.stdout.decode(errors="replace").splitlines()
        for created, _, name in [line.partition(" ")]
        if created > saved.taken
    ]
    if not since:
        return ()
    more = f" and {len(since) - _NAMED} more" if len(since) > _NAMED else ""
    return (f"made since, and lost: {', '.join(since[:_NAMED])}{more}",)
