"""`kanae replace`: a host that is lost, or is to be, by another one of the same name."""

from __future__ import annotations

from pathlib import Path

import click

from kanae.cli.arguments import (
    asked_host_keys_option,
    complete_host,
    ignore_option,
    spec_argument,
)
from kanae.cli.outcome import carried_out
from kanae.cli.output import output_option
from kanae.cli.terminal import Terminal
from kanae.errors import UsageError
from kanae.operations.change import Ending
from kanae.operations.project import Project
from kanae.operations.replace import replace
from kanae.transport.acceptance import HostKeys


@click.command("replace")
@click.argument("host", shell_complete=complete_host)
@spec_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask before changing anything.")
@click.option("-v", "--verbose", is_flag=True, help="Show every step of the plans.")
@ignore_option
@click.option("--break-lease", is_flag=True, help="Take the lease from an operator who holds it.")
@asked_host_keys_option
@output_option
def command(
    host: str,
    spec: Path,
    yes: bool,
    verbose: bool,
    ignored: tuple[str, ...],
    break_lease: bool,
    host_keys: HostKeys,
    output: str,
) -> None:
    """Replace HOST of the cluster of SPEC by a machine of the same name and address.

    The old machine need not answer; one that does is drained, stopped and wiped first. It leaves
    the balancers, etcd and the cluster; then the machine that answers in its place joins. May be
    interrupted at any time and run again.

    \b
    Examples:
      kanae replace server1 cluster.yaml
      kanae replace worker3 cluster.yaml --yes
    """
    project = Project.open(spec)
    if host not in project.spec.hosts:
        raise UsageError(
            f"{spec} has no host {host!r}", remedy=f"its hosts: {', '.join(project.spec.hosts)}"
        )
    leaving = Terminal(f"Take {host} out of {project.spec.name}?", yes, verbose, (host,))
    joining = Terminal(f"Let the new {host} join {project.spec.name}?", yes, verbose)
    changing = replace(
        project, host, ignored, leaving, joining, break_lease=break_lease, host_keys=host_keys
    )
    done = carried_out(changing, output)
    if done.ending is Ending.DECLINED:
        raise click.Abort
    click.echo(f"{host} has been replaced", err=True)
