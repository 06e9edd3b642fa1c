"""`kanae reset`: take the cluster off its hosts."""

from __future__ import annotations

from pathlib import Path

import click

from kanae.cli.arguments import host_keys_option, spec_argument
from kanae.cli.outcome import carried_out
from kanae.cli.output import output_option
from kanae.cli.terminal import Terminal
from kanae.operations.change import Ending, change
from kanae.operations.project import Project
from kanae.operations.reset import Reset
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import FleetError


@click.command("reset")
@spec_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask. Everything in the cluster is lost.")
@click.option("-v", "--verbose", is_flag=True, help="Show every step of the plan.")
@click.option(
    "--keep-artifacts", is_flag=True, help="Leave binaries, container runtime and images in place."
)
@click.option("--skip-unreachable", is_flag=True, help="Leave hosts that cannot be reached out.")
@click.option(
    "--identity",
    default="",
    help="Of the cluster that is meant, when its control-plane hosts are gone.",
)
@click.option("--break-lease", is_flag=True, help="Take the lease from an operator who holds it.")
@host_keys_option
@output_option
def command(
    spec: Path,
    yes: bool,
    verbose: bool,
    keep_artifacts: bool,
    skip_unreachable: bool,
    identity: str,
    break_lease: bool,
    host_keys: HostKeys,
    output: str,
) -> None:
    """Take the cluster of SPEC off its hosts, so that they are as they were before.

    Workloads and all of etcd's data are lost. Only what kanae made is removed; packages of the
    distribution that it installed stay, without running.

    \b
    Examples:
      kanae reset cluster.yaml
      kanae reset cluster.yaml --yes --keep-artifacts
      kanae reset cluster.yaml --yes -o json | jq .failed
    """
    project = Project.open(spec)
    name = project.spec.name
    console = Terminal(f"Remove the cluster {name} and all that is in it?", yes, verbose)
    procedure = Reset(keep_artifacts, skip_unreachable, identity)
    try:
        changing = change(project, procedure, console, break_lease=break_lease, host_keys=host_keys)
        done = carried_out(changing, output)
    except FleetError as error:
        if len(error.errors) < len(project.spec.hosts):
            click.echo("with --skip-unreachable the other hosts would be reset", err=True)
        raise
    match done.ending:
        case Ending.NOTHING_TO_DO:
            click.echo(
                f"{name}: nothing to do, no host of the spec belongs to this cluster",
                err=output != "text",
            )
        case Ending.DECLINED:
            raise click.Abort
        case Ending.DONE:
            click.echo(f"{name} is gone from {', '.join(done.facts.hosts)}", err=True)
