"""`kanae apply`: make the hosts into the cluster of the spec, or back into it."""

from __future__ import annotations

from pathlib import Path

import click

from kanae.cli.arguments import asked_host_keys_option, ignore_option, off_option, spec_argument
from kanae.cli.outcome import carried_out
from kanae.cli.output import output_option
from kanae.cli.terminal import Terminal
from kanae.operations.apply import Apply
from kanae.operations.change import Ending, change
from kanae.operations.project import Project
from kanae.report.plan_text import plan_text
from kanae.transport.acceptance import HostKeys


@click.command("apply")
@spec_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask before changing anything.")
@click.option("-v", "--verbose", is_flag=True, help="Show every step of the plan.")
@ignore_option
@click.option(
    "--remove",
    "removes",
    multiple=True,
    metavar="HOST",
    help="A host that has left the spec and is to leave the cluster; may be repeated.",
)
@off_option
@click.option("--break-lease", is_flag=True, help="Take the lease from an operator who holds it.")
@asked_host_keys_option
@output_option
def command(
    spec: Path,
    yes: bool,
    verbose: bool,
    ignored: tuple[str, ...],
    removes: tuple[str, ...],
    off: tuple[str, ...],
    break_lease: bool,
    host_keys: HostKeys,
    output: str,
) -> None:
    """Build the cluster of SPEC, or put right what differs from it.

    Shows the plan and asks first. May be interrupted at any time and run again. Hosts that the
    spec no longer names are drained, taken out of the cluster and wiped: their names are asked for,
    or said by --remove.

    \b
    Examples:
      kanae apply cluster.yaml
      kanae apply cluster.yaml --yes
      kanae apply cluster.yaml --ignore memory
      kanae apply cluster.yaml --yes --remove worker3
      kanae apply cluster.yaml --yes --remove worker3 --off worker3
      kanae apply cluster.yaml --accept-host-key SHA256:uNiVztksCsDhcc0u9e8BrTV9Hq1Iq3AGcVkPb9vL9nY
      kanae apply cluster.yaml --yes -o json | jq '.changed, .seconds'
    """
    project = Project.open(spec)
    name = project.spec.name
    console = Terminal(f"Apply this to {name}?", yes, verbose, removes)
    changing = change(
        project, Apply(ignored, off), console, break_lease=break_lease, host_keys=host_keys
    )
    done = carried_out(changing, output)
    match done.ending:
        case Ending.NOTHING_TO_DO:
            click.echo(plan_text(done.plan), nl=False, err=output != "text")
        case Ending.DECLINED:
            raise click.Abort
        case Ending.DONE:
            if not done.plan.empty:
                click.echo(_how_to_use(name, spec), err=True)


def _how_to_use(cluster: str, spec: Path) -> str:
    return (
        f"\n{cluster} is as the spec says.\n"
        f"  use it:       kanae kubeconfig {spec} --merge\n"
        f"                kubectl --context {cluster} get nodes\n"
        f"  look at it:   kanae status {spec}\n"
        f"  take it down: kanae reset {spec}"
    )
