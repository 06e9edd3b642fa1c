"""`kanae backup show|verify|test`: one backup, looked at, read back and tried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import click

from kanae.cli.arguments import given_spec, host_keys_option, spec_argument
from kanae.cli.backup_options import from_option, identities, identity_option, one_backup
from kanae.cli.backup_results import read_data, read_text
from kanae.cli.confirm import ask_password
from kanae.cli.output import emit, output_option
from kanae.errors import DrillFailed
from kanae.operations import backups
from kanae.operations.backups import Read
from kanae.operations.project import Project
from kanae.transport.acceptance import HostKeys


@click.command("show")
@one_backup
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
    keys = identities(identity_file)
    read = _reading(backup, spec, target, host_keys, lambda file: backups.show(file, keys))
    emit(read_data(read), output, lambda: read_text(read))


@click.command("verify")
@one_backup
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
    keys = identities(identity_file)
    read = _reading(backup, spec, target, host_keys, lambda file: backups.verify(file, keys))
    if read.sealed:
        click.secho(
            "It is encrypted and no key was given: the file is as it was written; what is in it "
            "was not read.",
            fg="yellow",
            err=True,
        )
    emit(read_data(read) | {"good": True}, output, lambda: f"{read_text(read)}\ngood")


def _reading(
    backup: str,
    spec: Path | None,
    target: str | None,
    host_keys: HostKeys,
    read: Callable[[Path], Read],
) -> Read:
    async def reading() -> Read:
        wanted = backups.found(
            lambda: Project.open(given_spec(spec)), backup, target, ask_password, host_keys
        )
        async with wanted as file:
            return await asyncio.to_thread(read, file)

    return asyncio.run(reading())


@click.command("test")
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

    project, keys = Project.open(spec), identities(identity_file)

    async def test() -> Tested:
        wanted = backups.found(lambda: project, backup, target, ask_password, host_keys)
        async with wanted as file:
            return await tried(project, file, keys, ask_password, host_keys)

    done = asyncio.run(test())
    emit(tested_data(done), output, lambda: tested_text(done))
    if not done.passed:
        failed = [f"{part.name}: {part.what}" for part in done.parts if part.passed is False]
        raise DrillFailed(
            f"the backup does not restore: {'; '.join(failed)}",
            remedy="take another one (kanae backup create), and test that",
        )
