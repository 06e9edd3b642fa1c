"""`kanae backup`: the cluster in one file, made, listed, and thrown away when there are newer ones.

The verbs that read one are in `backup_reading`.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click

from kanae.cli.arguments import host_keys_option, spec_argument
from kanae.cli.backup_options import from_option, identities, identity_option
from kanae.cli.backup_reading import show, test, verify
from kanae.cli.backup_results import (
    listing_data,
    listing_text,
    made_data,
    made_text,
    pruning_data,
    pruning_text,
)
from kanae.cli.confirm import ask_password, confirmed
from kanae.cli.output import emit, output_option
from kanae.errors import UsageError
from kanae.operations import backup as making
from kanae.operations import backups
from kanae.operations.backup_targets import opened
from kanae.operations.backups import Pruning
from kanae.operations.project import Project
from kanae.spec.backup import Keep
from kanae.transport.acceptance import HostKeys


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


command.add_command(show)
command.add_command(verify)
command.add_command(test)


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
    emit(made_data(made), output, lambda: made_text(made))


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
    emit(listing_data(found), output, lambda: listing_text(found))


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
    keys = identities(identity_file)

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
            await backups.prune(place, found, name, whose, keys)
            return found

    found = asyncio.run(prune())
    if found is None:
        raise click.Abort
    emit(pruning_data(found), output, lambda: pruning_text(found))


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
