"""Where a project's backups are kept, opened: a folder, a host, an object store."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

from kanae import paths
from kanae.artifacts import atomic
from kanae.backup import name as names
from kanae.backup.folder import FolderTarget
from kanae.backup.name import BackupName
from kanae.backup.target import Kept, Target
from kanae.errors import BackupBroken, StepFailed, UsageError, step_failed
from kanae.execute.scripts import backup as scripts
from kanae.operations.project import Project
from kanae.spec.models import Spec, Sudo
from kanae.spec.places import Bucket, Folder, OverSsh, place_of
from kanae.transport.acceptance import HostKeys
from kanae.transport.connect import Jumps
from kanae.transport.conversation import Stream
from kanae.transport.fleet import Fleet
from kanae.transport.protocol import Upload, must, must_text
from kanae.transport.settings import Reach
from kanae.transport.ssh import SshTransport

# Seconds for a whole backup to or from a host.
TRANSFER = 3600.0


@asynccontextmanager
async def opened(
    project: Project,
    text: str | None,
    password: Callable[[], str | None],
    host_keys: HostKeys | None = None,
) -> AsyncGenerator[Target, None]:
    """text: a target as the spec has it, None for the spec's own. UsageError for what is none."""
    wanted = text if text is not None else project.spec.backup.target
    if wanted is None:
        raise UsageError(
            "where backups are kept is not said",
            remedy="backup.target in the spec, or a folder, ssh://HOST/PATH or s3://BUCKET/PREFIX "
            "on the command line",
        )
    try:
        place = place_of(wanted)
    except ValueError as error:
        raise UsageError(f"{wanted}: {error}") from None
    match place:
        case Folder(path):
            # What is typed is meant from where it is typed; what the spec says, from there.
            base = Path.cwd() if text is not None else project.folder
            yield FolderTarget(base / paths.expanded(path))
        case Bucket():
            from kanae.backup.s3 import BucketTarget, credentials

            server = project.spec.backup.s3
            if server is None:
                raise UsageError(f"{wanted}: backup.s3.endpoint in the spec says which server")
            yield BucketTarget(place, server, credentials(os.environ), staging(project))
        case OverSsh(host) if host in project.spec.hosts:
            async with Fleet(project.spec, [host], password=password, host_keys=host_keys) as fleet:
                yield HostTarget(fleet[host], place.path, wanted, staging(project), "root:root")
        case OverSsh():
            transport = SshTransport(_reach(project, place), jumps=Jumps())
            try:
                yield HostTarget(transport, place.path, wanted, staging(project), "")
            finally:
                await transport.close()


def schedule_places(spec: Spec) -> list[str]:
    """The folders on hosts into which the schedule's backups go, as targets."""
    schedule = spec.backup.schedule
    if schedule is None:
        return []
    return [f"ssh://{host}{schedule.folder}" for host in spec.etcd_hosts]


def staging(project: Project) -> Path:
    """Of this cluster; its owner's alone."""
    folder = paths.cluster_dir(project.spec.name) / "backups"
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _reach(project: Project, place: OverSsh) -> Reach:
    """As `ssh` itself would log in there: no host of the cluster, and not as root."""
    config = paths.home() / ".ssh" / "config"
    return Reach(
        host=place.host,
        address=place.host,
        alias=place.host,
        user=place.user,
        port=place.port,
        config=config if os.access(config, os.R_OK) else None,
        sudo=Sudo.NONE,
        accepted=paths.known_hosts(project.spec.name),
    )


class HostTarget:
    """A `kanae.backup.target.Target`: a folder of a host. owner: of the files, see Upload."""

    def __init__(
        self,
        transport: SshTransport,
        folder: PurePosixPath,
        where: str,
        staging: Path,
        owner: str,
    ) -> None:
        self._transport = transport
        self._folder = folder
        self._owner = owner
        self.where = where
        self.staging = staging

    def _file(self, name: BackupName) -> str:
        return str(self._folder / str(name))

    async def kept(self) -> list[Kept]:
        listed = await must_text(
            self._transport,
            scripts.listed(str(self._folder)),
            command=f"list the backups in {self._folder}",
        )
        return list(parse_listed(listed))

    async def put(self, file: Path, name: BackupName, sha256: str) -> None:
        there, folder = self._file(name), str(self._folder)
        await must(self._transport, scripts.folder(folder), command=f"make the folder {folder}")
        await self._transport.upload([Upload(there, file, 0o600, self._owner)], timeout=TRANSFER)
        said = await must_text(self._transport, scripts.sha256(there), command=f"sha256sum {there}")
        if said.split()[:1] != [sha256]:
            raise BackupBroken(
                f"{self._transport.host}: {there} does not read back as it was sent",
                remedy="see that host's disk; then make the backup again",
            )
        await asyncio.to_thread(file.unlink)

    @asynccontextmanager
    async def local(self, name: BackupName) -> AsyncGenerator[Path, None]:
        copy = self.staging / f".fetched-{secrets.token_hex(4)}-{name}"
        try:
            await self._fetch(name, copy)
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    async def _fetch(self, name: BackupName, copy: Path) -> None:
        there = self._file(name)
        mark = f"{self._transport.mark}backup/{secrets.token_hex(4)}/"
        talk = await self._transport.converse(scripts.send(there), mark=mark, timeout=TRANSFER)
        try:
            line = await talk.line()
            with atomic.written(copy, 0o600) as out:
                size = 0
                while block := await talk.block():
                    size += len(block)
                    await asyncio.to_thread(out.write, block)
                if not line.isdigit() or size != int(line):
                    raise cut_short(self._transport.host, f"read {there}", talk)
        finally:
            await talk.close()

    async def remove(self, name: BackupName) -> None:
        there = self._file(name)
        await must(self._transport, scripts.remove(there), command=f"rm {there}")


def cut_short(host: str, command: str, talk: Stream) -> StepFailed:
    """For a script that ended before it had sent all that it announced."""
    return step_failed(host, command, talk.status or 0, talk.errors)


def parse_listed(text: str) -> list[Kept]:
    """What `execute.scripts.backup.listed` prints; whatever else is there is passed over."""
    found: list[Kept] = []
    for line in text.splitlines():
        size, _, file = line.partition(" ")
        name = names.parse(file)
        if name is not None and size.isascii() and size.isdigit() and len(size) < 19:
            found.append(Kept(name, int(size)))
    return found
