"""`kanae backup`: the cluster in one file, made, looked at, read back and thrown away."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanae.cli.arguments import host_keys_option, spec_argument
from kanae.cli.confirm import ask_password, confirmed
from kanae.cli.output import ago, emit, output_option
from kanae.errors import DrillFailed, UsageError
from kanae.operations import backup as making
from kanae.operations import backups
from kanae.operations.backup_targets import opened
from kanae.operations.backups import Listed, Listing, Pruning, Read
from kanae.operations.project import Project
from kanae.spec.backup import Keep
from kanae.transport.acceptance import HostKeys

if TYPE_CHECKING:
    from kanae.backup.keys import Identity

MIB = 1 << 20
from_option = click.option(
    "--from",
    "target",
    metavar="TARGET",
    help="Look there: a folder, ssh://HOST/PATH or s3://BUCKET/PREFIX. Default: what SPEC says.",
)
backup_argument = click.argument("backup")
identity_option = click.option(
    "--identity-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Private key of age or SSH that opens encrypted backups. Default: the file that "
    "KANAE_AGE_IDENTITY_FILE names.",
)


@click.group("backup")
def command() -> None:
    """Keep the cluster in one file: etcd's data, all its keys, its configuration.

    \b
    Examples:
      kanae backup create cluster.yaml --to /mnt/backups
      kanae backup list cluster.yaml
      kanae backup verify newest cluster.yaml --identity-file age.key
      kanae backup prune cluster.yaml --keep 10
    """


@command.command("create")
@spec_argument
@click.option(
    "--to",
    "target",
    metavar="TARGET",
    help="A folder, ssh://HOST/PATH or s3://BUCKET/PREFIX. Default: backup.target of SPEC.",
)
@host_keys_option
@output_option
def create(spec: Path, target: str | None, host_keys: HostKeys, output: str) -> None:
    """Make a backup of the cluster of SPEC, and read it back.

    The snapshot is taken from a member of etcd that is well and does not lead. The file appears at
    its target when it is complete; one of a run that was interrupted never does.

    \b
    Examples:
      kanae backup create cluster.yaml
      kanae backup create cluster.yaml --to s3://backups/prod -o json | jq -r .name
    """
    project = Project.open(spec)

    async def create() -> making.Made:
        async with opened(project, target, ask_password, host_keys) as place:
            return await making.create(project, place, ask_password, _say, host_keys)

    made = asyncio.run(create())
    if not made.name.encrypted:
        click.secho(
            "It is not encrypted: whoever reads this file has every key of the cluster and every "
            "Secret in it. See backup.recipients.",
            fg="yellow",
            err=True,
        )
    emit(_made(made), output, lambda: _made_text(made))


@command.command("list")
@spec_argument
@from_option
@host_keys_option
@output_option
def list_backups(spec: Path, target: str | None, host_keys: HostKeys, output: str) -> None:
    """List the backups of the cluster of SPEC, newest first, those of its schedule too.

    \b
    Examples:
      kanae backup list cluster.yaml
      kanae backup list cluster.yaml -o json | jq -r '.backups[0].name'
    """
    found = asyncio.run(backups.listing(Project.open(spec), target, ask_password, host_keys))
    for place, why in found.unreachable.items():
        click.secho(f"{place} cannot be asked: {why}", fg="yellow", err=True)
    emit(_listing(found), output, lambda: _listing_text(found))


@command.command("show")
@backup_argument
@click.argument("spec", type=click.Path(path_type=Path), required=False)
@from_option
@identity_option
@host_keys_option
@output_option
def show(
    backup: str,
    spec: Path | None,
    target: str | None,
    identity_file: Path | None,
    host_keys: HostKeys,
    output: str,
) -> None:
    """Say what is in BACKUP: a file, a name of `kanae backup list`, or `newest`.

    SPEC is needed for what is no file of this machine.

    \b
    Examples:
      kanae backup show newest cluster.yaml
      kanae backup show /mnt/backups/prod-20260701T120000Z-1a2b3c4d-9f8e7d6c5b4a3f2e.tar -o yaml
    """
    identities = _identities(identity_file)
    read = _reading(backup, spec, target, host_keys, lambda file: backups.show(file, identities))
    emit(_read(read), output, lambda: _read_text(read))


@command.command("verify")
@backup_argument
@click.argument("spec", type=click.Path(path_type=Path), required=False)
@from_option
@identity_option
@host_keys_option
@output_option
def verify(
    backup: str,
    spec: Path | None,
    target: str | None,
    identity_file: Path | None,
    host_keys: HostKeys,
    output: str,
) -> None:
    """Read all of BACKUP and compare every file in it; exit status 9 when anything is wrong.

    An encrypted one needs its key; without, only the whole file is compared with its name.

    \b
    Examples:
      kanae backup verify newest cluster.yaml
      kanae backup verify prod-20260701T120000Z-1a2b3c4d-9f8e7d6c5b4a3f2e.tar.age cluster.yaml
    """
    identities = _identities(identity_file)
    read = _reading(backup, spec, target, host_keys, lambda file: backups.verify(file, identities))
    if read.sealed:
        click.secho(
            "It is encrypted and no key was given: the file is as it was written; what is in it "
            "was not read.",
            fg="yellow",
            err=True,
        )
    emit(_read(read) | {"good": True}, output, lambda: f"{_read_text(read)}\ngood")


@command.command("prune")
@spec_argument
@from_option
@click.option("--keep", "count", type=click.IntRange(1, 10000), help="So many of the newest.")
@click.option("--age", "age", metavar="AGE", help="Only those that are younger, such as 30d.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before removing.")
@click.option(
    "--identity",
    default="",
    help="Of the cluster that is meant, when its control-plane hosts are gone.",
)
@identity_option
@host_keys_option
@output_option
def prune(
    spec: Path,
    target: str | None,
    count: int | None,
    age: str | None,
    yes: bool,
    identity: str,
    identity_file: Path | None,
    host_keys: HostKeys,
    output: str,
) -> None:
    """Remove backups of the cluster of SPEC that need not be kept any more.

    Those stay that both --keep and --age allow, and always the newest. Nothing is removed unless a
    backup that stays has been read and is good. Files of other clusters, also of one with the same
    name, and other files are left alone.

    \b
    Examples:
      kanae backup prune cluster.yaml
      kanae backup prune cluster.yaml --from /mnt/backups --keep 5 --age 30d --yes
    """
    project = Project.open(spec)
    keep = _keep(project.spec.backup.keep, count, age)
    identities = _identities(identity_file)

    async def prune() -> Pruning | None:
        whose = identity or await making.identity(project, ask_password, host_keys)
        name, now = project.spec.name, datetime.now(UTC)
        async with opened(project, target, ask_password, host_keys) as place:
            found = await backups.prunable(place, name, whose, keep, now)
            if not found.removed:
                return found
            for each in found.removed:
                click.echo(f"remove {each.name}", err=True)
            question = f"Remove {len(found.removed)} of {_count(found)} from {found.where}?"
            if not (yes or confirmed(question)):
                return None
            await backups.prune(place, found, name, whose, identities)
            return found

    found = asyncio.run(prune())
    if found is None:
        raise click.Abort
    data = {
        "target": found.where,
        "kept": [str(each.name) for each in found.kept],
        "removed": [str(each.name) for each in found.removed],
    }
    text = f"{found.where}: {len(found.removed)} removed, {len(found.kept)} kept"
    emit(data, output, lambda: text)


@command.command("test")
@spec_argument
@click.option(
    "--file",
    "backup",
    default="newest",
    show_default=True,
    metavar="BACKUP",
    help="A file, a name that kanae backup list tells, or `newest`.",
)
@from_option
@identity_option
@host_keys_option
@output_option
def test(
    spec: Path,
    backup: str,
    target: str | None,
    identity_file: Path | None,
    host_keys: HostKeys,
    output: str,
) -> None:
    """Restore a backup of the cluster of SPEC beside it, and see whether all is there.

    On a host with etcd, into a member of its own on loopback; the living one is not touched. The
    result says how long a restore takes (RTO) and how much would be lost (RPO). Exit status 40 when
    a part of it fails.

    \b
    Examples:
      kanae backup test cluster.yaml
      kanae backup test cluster.yaml --file prod.tar.age --identity-file age.key
      kanae backup test cluster.yaml -o json | jq .rto_seconds
    """
    from kanae.operations.restore_drill import Tested, tried
    from kanae.report.restore_drill import tested_data, tested_text

    project, identities = Project.open(spec), _identities(identity_file)

    async def test() -> Tested:
        wanted = backups.found(lambda: project, backup, target, ask_password, host_keys)
        async with wanted as file:
            return await tried(project, file, identities, ask_password, host_keys)

    done = asyncio.run(test())
    emit(tested_data(done), output, lambda: tested_text(done))
    if not done.passed:
        failed = [f"{part.name}: {part.what}" for part in done.parts if part.passed is False]
        raise DrillFailed(
            f"the backup does not restore: {'; '.join(failed)}",
            remedy="take another one (kanae backup create), and test that",
        )


def _count(found: Pruning) -> str:
    return f"{len(found.removed) + len(found.kept)} backups"


def _keep(said: Keep, count: int | None, age: str | None) -> Keep:
    if count is None and age is None:
        return said
    try:
        return Keep(count=count, age=age)
    except ValueError:
        raise UsageError(
            f"--age {age}: expected hours, days or weeks such as 36h, 30d or 8w"
        ) from None


def _say(line: str) -> None:
    click.echo(line, err=True)


def _identities(given: Path | None) -> Sequence[Identity]:
    from kanae.backup import keys

    file = keys.identity_file(given, os.environ)
    return () if file is None else keys.identities(file)


def _reading(
    backup: str,
    spec: Path | None,
    target: str | None,
    host_keys: HostKeys,
    read: Callable[[Path], Read],
) -> Read:
    from kanae.cli.arguments import given_spec

    async def reading() -> Read:
        wanted = backups.found(
            lambda: Project.open(given_spec(spec)), backup, target, ask_password, host_keys
        )
        async with wanted as file:
            return await asyncio.to_thread(read, file)

    return asyncio.run(reading())


def _made(made: making.Made) -> dict[str, Any]:
    from kanae.backup.model import told

    return {
        "name": str(made.name),
        "target": made.where,
        "bytes": made.size,
        "sha256": made.sha256,
        "encrypted": made.name.encrypted,
        "seconds": round(made.seconds, 3),
        "manifest": told(made.manifest),
    }


def _made_text(made: making.Made) -> str:
    snapshot = made.manifest.snapshot
    return (
        f"{made.where}: {made.name}\n"
        f"revision {snapshot.revision}, {snapshot.keys} keys, {made.size / MIB:.1f} MiB, "
        f"from etcd {snapshot.etcd} on {snapshot.member}, in {made.seconds:.1f} s"
    )


def _listing(found: Listing) -> dict[str, Any]:
    return {
        "backups": [
            {
                "name": str(each.name),
                "target": each.where,
                "taken": each.name.taken.isoformat(),
                "identity": each.name.identity,
                "encrypted": each.name.encrypted,
                "bytes": each.size,
            }
            for each in found.found
        ],
        "unreachable": found.unreachable,
    }


def _listing_text(found: Listing) -> str:
    if not found.found:
        return "no backups"
    now = datetime.now(UTC)

    def row(each: Listed) -> str:
        size = f"{each.size / MIB:>9.1f} MiB"
        return f"{ago(now - each.name.taken):>8}  {size}  {each.where}/{each.name}"

    return "\n".join(map(row, found.found))


def _read(read: Read) -> dict[str, Any]:
    from kanae.backup.model import told

    return {
        "file": read.file,
        "bytes": read.size,
        "encrypted": read.encrypted,
        "manifest": None if read.manifest is None else told(read.manifest),
    }


def _read_text(read: Read) -> str:
    lines = [f"{read.file}: {read.size / MIB:.1f} MiB, {_sealed(read)}"]
    if (manifest := read.manifest) is not None:
        snapshot = manifest.snapshot
        lines += [
            f"cluster      {manifest.cluster} ({manifest.identity}), {manifest.kubernetes}",
            f"taken        {manifest.taken:%Y-%m-%d %H:%M:%S} UTC by kanae {manifest.kanae}",
            f"etcd         {snapshot.etcd}, {manifest.topology}, revision {snapshot.revision}, "
            f"{snapshot.keys} keys, {snapshot.size / MIB:.1f} MiB, from {snapshot.member} "
            f"of {', '.join(snapshot.members)}",
            *(f"holds        {name}" for name in manifest.files),
        ]
    return "\n".join(lines)


def _sealed(read: Read) -> str:
    return "encrypted" if read.encrypted else "in the clear: it holds every key of the cluster"
