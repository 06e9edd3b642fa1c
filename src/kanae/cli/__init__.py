"""The command line: one thin file per verb, imported only when its verb is called.

A verb is looked up in `VERBS`; the module is imported at that moment, so that `kanae --help`
does not pay for asyncssh or pydantic.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

import kanae
from kanae.errors import KanaeError

# verb -> (module below kanae.cli, one-line help). The module has a click command named `command`.
VERBS: dict[str, tuple[str, str]] = {
    "init": ("init", "Write a short commented spec to start from."),
    "schema": ("schema", "Print the JSON Schema of a spec."),
    "check": ("check", "Look for what must be put right before hosts can become a cluster."),
    "plan": ("plan", "Show what apply would change."),
    "apply": ("apply", "Build the cluster of a spec, or put right what differs."),
    "replace": ("replace", "Replace a host that is lost by another of the same name."),
    "restore": ("restore", "Take the cluster back to a backup, whatever has been lost."),
    "status": ("status", "Show how the cluster is, also when its API is down."),
    "certificates": ("certificates", "See how long certificates last, and renew them."),
    "backup": ("backup", "Keep the cluster in one file: etcd's data, its keys, its configuration."),
    "reset": ("reset", "Take the cluster off its hosts."),
    "logs": ("logs", "List the runs of a cluster, or show what one did."),
    "kubeconfig": ("kubeconfig", "Print or merge the cluster's kubeconfig."),
    "artifacts": ("artifacts", "Fetch, list and verify binaries and images."),
    "bundle": ("bundle", "Make and inspect one file for hosts without Internet."),
    "drill": ("drill", "Break the cluster on purpose and measure what its users feel."),
    "completion": ("completion", "Print a shell's completion script."),
    "lab": ("lab", "Hosts on this machine that behave like bare metal."),
}


class Verbs(click.Group):
    """A group that imports a verb's module when the verb is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"kanae.cli.{VERBS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, which suggests from commands that are loaded: here none is."""
        if args[0] not in VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=list(VERBS), ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kanae.__version__, "-V", "--version", prog_name="kanae")
def command() -> None:
    """Build highly available Kubernetes clusters with kubeadm, and prove that they are."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs a verb and turns every error into its text and exit code."""
    try:
        # What a verb raises as Exit comes back as its code.
        code = command.main(
            args=list(arguments) if arguments is not None else None,
            prog_name="kanae",
            standalone_mode=False,
        )
        if isinstance(code, int):
            sys.exit(code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except KanaeError as error:
        _end(error)
    except BrokenPipeError:
        # The reader of a pipe (head, grep -q) is gone: what it wanted has been written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # the net below all others
        from kanae.cli.unexpected import explained

        _end(explained(error))


def _end(error: KanaeError) -> NoReturn:
    click.secho("error: ", fg="red", nl=False, err=True)
    click.echo(str(error), err=True)
    sys.exit(error.exit_code)
