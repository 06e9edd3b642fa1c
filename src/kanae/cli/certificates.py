"""`kanae certificates`: how long they last, and new ones."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kanae.cli.arguments import (
    asked_host_keys_option,
    completer,
    host_keys_option,
    spec_argument,
    typed_spec,
)
from kanae.cli.confirm import ask_password
from kanae.cli.outcome import carried_out
from kanae.cli.output import emit, output_option
from kanae.cli.terminal import Terminal
from kanae.operations import certificates as operations
from kanae.operations.certificates import Certified, Renew
from kanae.operations.change import Ending, change
from kanae.operations.project import Project
from kanae.plan.certificates import names
from kanae.spec.load import load
from kanae.transport.acceptance import HostKeys
from kanae.verify.certificates import CertificateStatus


@click.group("certificates")
def command() -> None:
    """See how long the cluster's certificates last, and have them issued anew.

    `kanae apply` does so by itself when less than certificates.renewBefore is left of one.

    \b
    Examples:
      kanae certificates status cluster.yaml
      kanae certificates renew cluster.yaml
      kanae certificates renew cluster.yaml --only apiserver
    """


@command.command("status")
@spec_argument
@host_keys_option
@output_option
def status(spec: Path, host_keys: HostKeys, output: str) -> None:
    """List every certificate and key of the cluster of SPEC, those that end first before others.

    Needs no API: the hosts are asked themselves.

    \b
    Examples:
      kanae certificates status cluster.yaml
      kanae certificates status cluster.yaml -o json | jq '.certificates[] | select(.days < 30)'
    """
    found = asyncio.run(operations.status(Project.open(spec), ask_password, host_keys))
    for host, why in found.unreachable.items():
        click.secho(f"{host} cannot be asked: {why.what}", fg="yellow", err=True)
    emit(_data(found), output, lambda: _text(found))


def _renewable(ctx: click.Context) -> tuple[str, ...]:
    return names(load(typed_spec(ctx)))


@command.command("renew")
@spec_argument
@click.option(
    "--only",
    "only",
    multiple=True,
    metavar="NAME",
    shell_complete=completer(_renewable),
    help="Only this one, as `kanae certificates status` calls it; may be repeated. Default: all "
    "but kubelets' own, which they renew by themselves.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before changing anything.")
@click.option("-v", "--verbose", is_flag=True, help="Show every step of the plan.")
@click.option("--break-lease", is_flag=True, help="Take the lease from an operator who holds it.")
@asked_host_keys_option
@output_option
def renew(
    spec: Path,
    only: tuple[str, ...],
    yes: bool,
    verbose: bool,
    break_lease: bool,
    host_keys: HostKeys,
    output: str,
) -> None:
    """Issue certificates of the cluster of SPEC anew, whatever is left of them.

    Host after host; API servers and etcd go on serving. The controller manager and the scheduler
    of a host begin anew, since they read theirs only then. Authorities and the service-account key
    stay. May be interrupted at any time and run again.

    \b
    Examples:
      kanae certificates renew cluster.yaml
      kanae certificates renew cluster.yaml --only admin.conf --only kubeconfig --yes
      kanae certificates renew cluster.yaml --yes -o json | jq .changed
    """
    project = Project.open(spec)
    console = Terminal(f"Renew these certificates of {project.spec.name}?", yes, verbose)
    procedure = Renew(operations.chosen(project.spec, only))
    changing = change(project, procedure, console, break_lease=break_lease, host_keys=host_keys)
    match carried_out(changing, output).ending:
        case Ending.NOTHING_TO_DO:
            click.echo(f"{project.spec.name}: there is none of these", err=output != "text")
        case Ending.DECLINED:
            raise click.Abort
        case Ending.DONE:
            click.echo("they have been renewed; see: kanae certificates status", err=True)


def _data(found: Certified) -> dict[str, Any]:
    return {
        "certificates": [
            {**asdict(each), "not_after": each.not_after.isoformat(), "ended": each.ended}
            for each in found.certificates
        ],
        "keys": [{**asdict(each), "since": each.since.isoformat()} for each in found.keys],
        "unreachable": {host: why.what for host, why in found.unreachable.items()},
    }


def _text(found: Certified) -> str:
    rows = [
        ("HOST", "CERTIFICATE", "ENDS", "DAYS", "ISSUER", "SUBJECT", "NAMES", "READ ANEW"),
        *(_row(each) for each in found.certificates),
    ]
    # Names are many in some and none in most: what comes after them is not aligned.
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines: list[str] = []
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        line = "  ".join([*cells, *(cell for cell in row[6:] if cell)]).rstrip()
        lines.append(click.style(line, fg="red") if number and _bad(found, number) else line)
    lines += [
        f"{each.host}: {each.path} is there since {each.since:%Y-%m-%d}, {each.days} days "
        f"({each.users})"
        for each in found.keys
    ]
    return "\n".join(lines) + "\n"


def _bad(found: Certified, number: int) -> bool:
    return found.certificates[number - 1].soon


def _row(each: CertificateStatus) -> tuple[str, ...]:
    return (
        each.host,
        each.name,
        f"{each.not_after:%Y-%m-%d}",
        str(each.days),
        each.issuer,
        each.subject,
        ",".join(each.names),
        f"({each.reload})",
    )
