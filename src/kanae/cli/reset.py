"""`kanae reset`: take the cluster off its hosts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from kanae.cli.terminal import Terminal
from kanae.operations.change import Ending, change
from kanae.operations.project import Project
from kanae.operations.reset import Reset
from kanae.transport.fleet import FleetError


@click.command("reset")
@click.argument("spec", type=click.Path(path_type=Path))
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
def command(
    spec: Path,
    yes: bool,
    verbose: bool,
    keep_artifacts: bool,
    skip_unreachable: bool,
    identity: str,
    break_lease: bool,
) -> None:
    """Take the cluster of SPEC off its hosts, so that they are as they were before.

    Workloads and all of etcd's data are lost. Only what kanae made is removed; packages of the
    distribution that it installed stay, without running.

    \b
    Examples:
      kanae reset cluster.yaml
      kanae reset cluster.yaml --yes --keep-artifacts
    """
    project = Project.open(spec)
    name = project.spec.name
    console = Terminal(f"Remove the cluster {name} and all that is in it?", yes, verbose)
    procedure = Reset(keep_artifacts, skip_unreachable, identity)
    try:
        done = asyncio.run(change(project, procedure, console, break_lease=break_lease))
    except FleetError as error:
        if len(error.errors) < len(project.spec.hosts):
            click.echo("with --skip-unreachable the other hosts would be reset", err=True)
        raise
    match done.ending:
        case Ending.NOTHING_TO_DO:
            click.echo(f"{name}: nothing to do, no host of the spec belongs to this cluster")
        case Ending.DECLINED:
            raise click.Abort
        case Ending.DONE:
            click.echo(f"{name} is gone from {', '.join(done.facts.hosts)}", err=True)
