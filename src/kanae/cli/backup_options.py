"""Which backup is meant: options of the verbs that read one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kanae.cli.arguments import Decorated, host_keys_option
from kanae.cli.output import output_option

if TYPE_CHECKING:
    from kanae.backup.keys import Identity

_LOOK_THERE = (
    "Look there: a folder, ssh://HOST/PATH or s3://BUCKET/PREFIX. Default: what SPEC says."
)
from_option = click.option("--from", "target", metavar="TARGET", help=_LOOK_THERE)
# For a verb whose --from is the backup itself.
target_option = click.option("--target", metavar="TARGET", help=_LOOK_THERE)
identity_option = click.option(
    "--identity-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Private key of age or SSH that opens encrypted backups. Default: the file that "
    "KANAE_AGE_IDENTITY_FILE names.",
)


def one_backup(verb: Decorated) -> Decorated:
    """Arguments and options of a verb that reads BACKUP, for which it need not have a SPEC."""
    for option in (
        output_option,
        host_keys_option,
        identity_option,
        from_option,
        click.argument("spec", type=click.Path(path_type=Path), required=False),
        click.argument("backup"),
    ):
        verb = option(verb)
    return verb


def identities(given: Path | None) -> Sequence[Identity]:
    """Private keys of a file, of the environment's without one. Raises UsageError for a file that
    has none."""
    from kanae.backup import keys

    file = keys.identity_file(given, os.environ)
    return () if file is None else keys.identities(file)
