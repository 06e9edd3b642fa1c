"""`kanae restore`: the cluster as it was when a backup was taken."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import click

from kanae.cli.arguments import (
    asked_host_keys_option,
    complete_host,
    ignore_option,
    spec_argument,
)
from kanae.cli.backup_options import identity_option, target_option
from kanae.cli.confirm import ask_password, confirm_option, name_said, typed
from kanae.cli.outcome import carried_out
from kanae.cli.output import output_option
from kanae.cli.terminal import Terminal
from kanae.errors import UsageError
from kanae.operations import restore as restoring
from kanae.operations.backups import found
from kanae.operations.change import Changed, Ending, change
from kanae.operations.project import Project
from kanae.operations.survivor import survivor
from kanae.transport.acceptance import HostKeys


@click.command("restore")
@spec_argument
@click.option(
    "--from",
    "backup",
    metavar="BACKUP",
    help="A file, a name that kanae backup list tells, or `newest`.",
)
@target_option
@click.option(
    "--from-member",
    "member",
    metavar="HOST",
    shell_complete=complete_host,
    help="Instead of a backup: what this host's member of etcd still has, when there is no quorum "
    "any more.",
)
@identity_option
@confirm_option
@click.option(
    "--off",
    multiple=True,
    metavar="HOST",
    shell_complete=complete_host,
    help="A host that does not answer and certainly has no power; it takes no part and is to be "
    "replaced afterwards. May be repeated.",
)
@click.option(
    "--discard",
    is_flag=True,
    help="Remove what restores have put aside: the data that etcd had before them.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show every step of the plan.")
@ignore_option
@click.option("--break-lease", is_flag=True, help="Take the lease from an operator who holds it.")
@asked_host_keys_option
@output_option
def command(
    spec: Path,
    backup: str | None,
    target: str | None,
    member: str | None,
    identity_file: Path | None,
    confirm: str | None,
    off: tuple[str, ...],
    discard: bool,
    verbose: bool,
    ignored: tuple[str, ...],
    break_lease: bool,
    host_keys: HostKeys,
    output: str,
) -> None:
    """Take the cluster of SPEC back to a backup, whatever has been lost.

    All of etcd's members get the same data, and whoever remembers what came after it begins anew.
    What was written since the backup is lost; what etcd has now is kept beside it until --discard.
    Pods on workers run on. Where no control-plane host is left, the cluster is built again on blank
    ones. May be interrupted at any time and run again with the same file.

    \b
    Examples:
      kanae restore cluster.yaml --from prod-20260701T120000Z.tar
      kanae restore cluster.yaml --from newest --target /mnt/backups
      kanae restore cluster.yaml --from prod.tar.age --identity-file key.txt --confirm prod
      kanae restore cluster.yaml --from prod.tar --off server3
      kanae restore cluster.yaml --from-member server1
      kanae restore cluster.yaml --discard
    """
    if sum((backup is not None, member is not None, discard)) != 1:
        raise UsageError(
            "say one of --from BACKUP, --from-member HOST and --discard",
            remedy="kanae restore SPEC --from BACKUP; kanae backup list tells which there are",
        )
    if target is not None and backup is None:
        raise UsageError(
            "--target says where a backup is, and none is asked for",
            remedy=f"kanae restore SPEC --from newest --target {target}",
        )
    project = Project.open(spec)
    name = project.spec.name
    agreed = name_said(confirm, name, project.text.name)
    if discard:
        _discard(project, agreed, verbose, break_lease, host_keys, output)
        return

    def console() -> Terminal:
        return Terminal("", True, verbose, ask=None if agreed else lambda: typed(name, _WORDS))

    taken: list[str] = []

    async def restore() -> Changed:
        async with AsyncExitStack() as stack:
            if backup is not None:
                file = await stack.enter_async_context(
                    found(lambda: project, backup, target, ask_password, host_keys)
                )
                saved = stack.enter_context(restoring.opened(file, identity_file))
            else:
                folder = stack.enter_context(restoring.private_folder())
                saved = await survivor(project, member or "", folder, ask_password, host_keys)
            taken.append(saved.taken)
            return await restoring.restored(
                project,
                saved,
                console(),
                console,
                off=off,
                ignored=ignored,
                break_lease=break_lease,
                host_keys=host_keys,
            )

    done = carried_out(restore(), output)
    if done.ending is Ending.DECLINED:
        raise click.Abort
    click.echo(
        f"{name} is as it was at {taken[0]}; kanae plan {project.file} tells what its spec "
        "wants that it had not then",
        err=True,
    )


_WORDS = "and lose what was written since the backup"


def _discard(
    project: Project,
    agreed: bool,
    verbose: bool,
    break_lease: bool,
    host_keys: HostKeys,
    output: str,
) -> None:
    name = project.spec.name
    ask = None if agreed else lambda: typed(name, "and remove the data that etcd had before")
    console = Terminal("", True, verbose, ask=ask)
    changing = change(
        project, restoring.Discard(), console, break_lease=break_lease, host_keys=host_keys
    )
    match carried_out(changing, output).ending:
        case Ending.NOTHING_TO_DO:
            click.echo(f"{name}: restores have left nothing", err=output != "text")
        case Ending.DECLINED:
            raise click.Abort
        case Ending.DONE:
            click.echo(f"{name}: what restores had put aside is gone", err=True)
