"""`kanae drill run`: one drill on a cluster, once or many times."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from kanae.cli.arguments import complete_drill, complete_host, host_keys_option, spec_argument
from kanae.cli.backup_options import identity_option
from kanae.cli.confirm import ask_password, confirm_option, confirmed, name_said, typed
from kanae.drills.judging.series import SERIES_RESULT
from kanae.drills.judging.verdict import Result, Verdict
from kanae.drills.probing.workload import Load
from kanae.drills.scenarios.catalogue import find
from kanae.errors import DrillFailed, UsageError
from kanae.operations.drill import drill
from kanae.operations.drill_order import DrillOrder
from kanae.operations.project import Project
from kanae.report.drill_text import comparison_text, verdict_text
from kanae.transport.acceptance import HostKeys

OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Output format."
)
_NONE = "none"
_SECONDS = click.FloatRange(0, 3600)


def say(line: str) -> None:
    click.echo(line, err=True)


@click.command("run")
@click.argument("name", shell_complete=complete_drill)
@spec_argument
@click.option(
    "--target",
    metavar="HOST",
    shell_complete=complete_host,
    help="The host of the fault, instead of one chosen.",
)
@click.option(
    "--from",
    "prober",
    metavar="HOST",
    shell_complete=complete_host,
    help="Probe from this host, not from here.",
)
@click.option(
    "--inside",
    metavar="HOST",
    shell_complete=complete_host,
    help="Look from inside through this node, or none [default: one that the fault leaves alone].",
)
@click.option("--repeat", "times", type=click.IntRange(1, 1000), default=1, help="How many runs.")
@click.option(
    "--steady", type=_SECONDS, help="Measured steady state before the fault [default: 15]."
)
@click.option("--hold", type=_SECONDS, help="How long the fault lasts, instead of the drill's own.")
@click.option("--after", type=_SECONDS, help="Measured steady state at the end [default: 15].")
@click.option("--period", type=click.FloatRange(0.01, 10), default=0.1, help="Seconds per request.")
@click.option("--kept", type=click.IntRange(1, 64), default=4, help="Kept connections a stream.")
@click.option("--direct/--no-direct", default=True, help="Also ask each API server directly.")
@click.option("--image", help="Answers GET / on port 80; for drills that make a Deployment.")
@click.option("--thresholds", "limits_file", type=click.Path(path_type=Path), help="TOML file.")
@click.option("--accept-outage", is_flag=True, help="The users of this cluster may lose it.")
@click.option("--break-lease", is_flag=True, help="Take the lease from an operator who holds it.")
@click.option(
    "-y", "--yes", is_flag=True, help="Do not ask before the fault, unless it destroys data."
)
@confirm_option
@identity_option
@host_keys_option
@OUTPUT
def run_drill(
    name: str,
    spec: Path,
    target: str | None,
    prober: str | None,
    inside: str | None,
    times: int,
    steady: float | None,
    hold: float | None,
    after: float | None,
    period: float,
    kept: int,
    direct: bool,
    image: str | None,
    limits_file: Path | None,
    accept_outage: bool,
    break_lease: bool,
    yes: bool,
    confirm: str | None,
    identity_file: Path | None,
    host_keys: HostKeys,
    output: str,
) -> None:
    """Run the drill NAME on the cluster of SPEC.

    Ends with status 40 unless every run passed. With --repeat a run that fails or is void does
    not end the series, unless what it broke is not whole again.

    Drills that destroy data (etcd-loss, quorum-loss, all-masters-loss) run where the spec says that
    the cluster is there for that, policies.destructiveDrills, and ask for the cluster's name; they
    make a backup first, and restore the cluster.

    \b
    Examples:
      kanae drill run power-cut cluster.yaml
      kanae drill run return cluster.yaml --target server2 --repeat 20 --yes
      kanae drill run etcd-loss cluster.yaml --accept-outage --confirm demo
    """
    given = {"steady": steady, "hold": hold, "after": after}
    scenario = replace(find(name), **{k: v for k, v in given.items() if v is not None})
    project = Project.open(spec)
    if prober is not None and prober not in project.spec.hosts:
        raise UsageError(f"--from: there is no host {prober}", remedy="name one of the spec's")
    if inside not in (None, _NONE, *project.spec.nodes):
        raise UsageError(f"--inside: there is no node {inside}", remedy=f"a node, or {_NONE}")
    order = DrillOrder(
        scenario=scenario,
        load=Load(period, kept, direct),
        target=target,
        times=times,
        prober=prober,
        inside=None if inside == _NONE else inside,
        look_inside=inside != _NONE,
        limits_file=limits_file,
        image=image,
        accept_outage=accept_outage,
        break_lease=break_lease,
        host_keys=host_keys,
        identity_file=identity_file,
    )
    agreed = name_said(confirm, project.spec.name, project.text.name)
    result = asyncio.run(drill(project, order, _Terminal(project.spec.name, yes, agreed)))
    if result is None:
        raise click.Abort
    if output == "json":
        click.echo(SERIES_RESULT.dump_json(result, indent=1).decode())
    else:
        for verdict in result.runs:
            click.echo(verdict_text(verdict))
        if times > 1:
            click.echo(comparison_text(result.runs))
    if result.stopped:
        raise DrillFailed(
            f"the series ended after {len(result.runs)} of {times} runs: {result.stopped}",
            remedy="make the cluster whole: kanae status SPEC",
        )
    raise_unless_passed(result.runs)


def raise_unless_passed(verdicts: Sequence[Verdict]) -> None:
    bad = [verdict for verdict in verdicts if verdict.result is not Result.PASSED]
    if bad:
        first = bad[0]
        raise DrillFailed(
            f"{len(bad)} of {len(verdicts)} runs {first.result}: {first.reasons[0]}",
            remedy="see the timeline: kanae drill report SPEC --html FILE",
        )


@dataclass(frozen=True, slots=True)
class _Terminal:
    """A `kanae.operations.drill_order.DrillConsole`. yes: do not ask. named: the cluster's name was
    said, which is asked for where data is destroyed."""

    cluster: str
    yes: bool
    named: bool

    def password(self) -> str | None:
        return ask_password()

    def say(self, line: str) -> None:
        say(line)

    async def decide(self, order: DrillOrder, hosts: Sequence[str]) -> bool:
        where = f" Hosts: {', '.join(hosts)}." if hosts else ""
        often = f" {order.times} times." if order.times > 1 else ""
        what = f"{order.scenario.title}{where}{often}"
        if order.scenario.remedy:
            say(f"{what} What is written to {self.cluster} meanwhile is lost.")
            return self.named or typed(self.cluster, "and destroy its data")
        return self.yes or confirmed(f"{what} Do this to {self.cluster}?")
