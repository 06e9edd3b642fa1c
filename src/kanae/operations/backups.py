"""Backups that there are: found, read, and removed when they are no longer to be kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kanae.backup import archive, keys
from kanae.backup.archive import Archive
from kanae.backup.model import Manifest
from kanae.backup.name import BackupName, parse
from kanae.backup.target import Kept, Target, newest_first
from kanae.errors import BackupBroken, BackupError, HostError, NoBackup, Refused
from kanae.operations.backup_targets import opened, schedule_places
from kanae.operations.project import Project
from kanae.spec.backup import Keep, age
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import FleetError

if TYPE_CHECKING:
    from kanae.backup.keys import Identity

# Instead of a backup's name: the newest one of this cluster.
NEWEST: Final = "newest"


@dataclass(frozen=True, slots=True)
class Listed:
    """where: the target that it is at."""

    name: BackupName
    where: str
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """found: newest first. unreachable: target -> why it could not be asked."""

    found: tuple[Listed, ...]
    unreachable: dict[str, str]


async def listing(
    project: Project,
    text: str | None,
    password: Callable[[], str | None],
    host_keys: HostKeys | None = None,
) -> Listing:
    """Backups of clusters of this name: at a target, or without one at all places of the spec, the
    schedule's on hosts among them. One that cannot be asked is no error while another can."""
    places: list[str | None] = [text]
    if text is None and (scheduled := schedule_places(project.spec)):
        places = [*([] if project.spec.backup.target is None else [None]), *scheduled]
    found: list[Listed] = []
    failed: dict[str, str] = {}
    errors: list[Exception] = []
    for place in places:
        try:
            async with opened(project, place, password, host_keys) as target:
                found += [
                    Listed(each.name, target.where, each.size)
                    for each in await target.kept()
                    if each.name.cluster == project.spec.name
                ]
        except (HostError, FleetError, BackupError) as error:
            failed[place or project.spec.backup.target or ""] = error.message
            errors.append(error)
    if errors and len(errors) == len(places):
        raise errors[0]
    found.sort(key=lambda each: (each.name.taken, str(each.name)), reverse=True)
    return Listing(tuple(found), failed)


@dataclass(frozen=True, slots=True)
class Read:
    """A backup as it says of itself. archive: what was read in full, None where only the beginning
    was. sealed: it is encrypted, no key was given, and only its digest has been compared with its
    name."""

    file: str
    size: int
    encrypted: bool
    manifest: Manifest | None
    archive: Archive | None = None

    @property
    def sealed(self) -> bool:
        return self.manifest is None


@asynccontextmanager
async def found(
    open_project: Callable[[], Project],
    wanted: str,
    text: str | None,
    password: Callable[[], str | None],
    host_keys: HostKeys | None = None,
) -> AsyncGenerator[Path, None]:
    """A backup as a file of this machine. wanted: its path, or its name at a target (NEWEST for the
    newest of the cluster). Raises NoBackup."""
    if text is None and (here := _here(wanted)) is not None:
        yield here
        return
    name = parse(wanted)
    if name is None and wanted != NEWEST:
        raise _no_name(wanted)
    project = open_project()
    if name is None:
        all_of_them = (await listing(project, text, password, host_keys)).found
        if not all_of_them:
            raise NoBackup(
                f"there is no backup of {project.spec.name}", remedy="kanae backup create"
            )
        newest = all_of_them[0]
        name, text = newest.name, newest.where
    async with opened(project, text, password, host_keys) as target:
        if name not in [each.name for each in await target.kept()]:
            raise NoBackup(f"{target.where} has no {name}", remedy="kanae backup list")
        async with target.local(name) as file:
            yield file


def _no_name(wanted: str) -> NoBackup:
    names = f"kanae backup list tells the names; `{NEWEST}` is the newest"
    folder = "say the folder as TARGET beside a name: " if Path(wanted).is_dir() else ""
    return NoBackup(
        f"{wanted} is no file of this machine, and no name of a backup", remedy=f"{folder}{names}"
    )


def _here(wanted: str) -> Path | None:
    file = Path(wanted)
    return file if wanted != NEWEST and file.is_file() else None


def show(file: Path, identities: Sequence[Identity]) -> Read:
    """What a backup says of itself; only its beginning is read. Errors as of `archive.peek`."""
    encrypted = archive.is_encrypted(file)
    manifest = archive.peek(file, identities)
    return Read(str(file), file.stat().st_size, encrypted, manifest)


def verify(file: Path, identities: Sequence[Identity]) -> Read:
    """Read all of a backup. An encrypted one without a key is only compared with the digest in its
    name. Raises BackupBroken and its kin."""
    encrypted = archive.is_encrypted(file)
    name = _named(file)
    size = file.stat().st_size
    if encrypted and not identities:
        if name is None:
            raise keys.no_key(str(file))
        _same(file, name, archive.sha256(file))
        return Read(str(file), size, encrypted, None)
    whole = archive.open_archive(file, identities)
    if name is not None:
        _same(file, name, whole.sha256)
        if not name.is_of(whole.manifest.cluster, whole.manifest.identity):
            raise BackupBroken(
                f"{file} is a backup of {whole.manifest.cluster} "
                f"({whole.manifest.identity}), which is not what its name says"
            )
    return Read(str(file), size, encrypted, whole.manifest, whole)


def _named(file: Path) -> BackupName | None:
    """By what follows the prefix of a file that was fetched."""
    text = file.name
    if text.startswith(".fetched-"):
        text = text.removeprefix(".fetched-").partition("-")[2]
    return parse(text)


def _same(file: Path, name: BackupName, sha256: str) -> None:
    if not name.fits(sha256):
        raise BackupBroken(
            f"{file} is damaged: it has sha256 {sha256}, its name says {name.digest}...",
            remedy="copy it again, or take another one: kanae backup list",
        )


@dataclass(frozen=True, slots=True)
class Pruning:
    """kept, removed: newest first."""

    where: str
    kept: tuple[Kept, ...]
    removed: tuple[Kept, ...]


def superfluous(ours: Sequence[Kept], keep: Keep, now: datetime) -> Pruning:
    """Which of one cluster's backups need not be kept. The newest always is. where: is empty."""
    kept: list[Kept] = []
    removed: list[Kept] = []
    limit = age(keep.age) if keep.age is not None else None
    for each in newest_first(ours):
        many = keep.count is not None and len(kept) >= keep.count
        old = limit is not None and now - each.name.taken > limit
        (removed if kept and (many or old) else kept).append(each)
    return Pruning("", tuple(kept), tuple(removed))


async def prunable(
    target: Target, cluster: str, identity: str, keep: Keep, now: datetime
) -> Pruning:
    """identity: of the cluster; files of another one of the same name are left alone. now: UTC."""
    ours = [each for each in await target.kept() if each.name.is_of(cluster, identity)]
    found = superfluous(ours, keep, now)
    return Pruning(target.where, found.kept, found.removed)


async def prune(
    target: Target, found: Pruning, cluster: str, identity: str, identities: Sequence[Identity]
) -> None:
    """Remove what is superfluous, once the newest of those that stay has been read and is good.

    An encrypted one without a key counts as good by its digest. Raises Refused when none is.
    """
    good = False
    for each in found.kept:
        async with target.local(each.name) as file:
            try:
                read = await asyncio.to_thread(verify, file, identities)
            except BackupError:
                continue
        manifest = read.manifest
        if manifest is None or (manifest.cluster, manifest.identity) == (cluster, identity):
            good = True
            break
    if not good:
        raise Refused(
            f"{target.where}: none of the {len(found.kept)} backups that would stay is good; "
            "nothing was removed",
            remedy="make a new one: kanae backup create; kanae backup verify tells what is wrong",
        )
    for each in reversed(found.removed):
        await target.remove(each.name)


def period_over(newest: datetime | None, period: timedelta, now: datetime) -> bool:
    """Whether two periods have passed without a backup."""
    return newest is None or now - newest > 2 * period
