"""`kanae reset`: take the cluster off its hosts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from kanae import paths
from kanae.cli.carry_out import carry_out
from kanae.cli.confirm import ask_password, confirmed
from kanae.cli.session import Session, arches
from kanae.execute.journal import new_run_id
from kanae.execute.lease import hold
from kanae.facts.model import Facts
from kanae.plan.model import Plan
from kanae.plan.reset import reset
from kanae.report.plan_text import plan_text
from kanae.transport.fleet import Fleet, FleetError


@click.command("reset")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("-y", "--yes", is_flag=True, help="Do not ask. Everything in the cluster is lost.")
@click.option("-v", "--verbose", is_flag=True, help="Show every step of the plan.")
@click.option(
    "--keep-artifacts", is_flag=True, help="Leave binaries, container runtime and images in place."
)
@click.option(
    "--skip-unreachable", is_flag=True, help="Go on without hosts that cannot be reached."
)
@click.option("--break-lease", is_flag=True, help="Take the lease from an operator who holds it.")
def command(
    spec: Path,
    yes: bool,
    verbose: bool,
    keep_artifacts: bool,
    skip_unreachable: bool,
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
    session = Session.open(spec)
    asyncio.run(_reset(session, yes, verbose, keep_artifacts, skip_unreachable, break_lease))


async def _reset(
    session: Session,
    yes: bool,
    verbose: bool,
    keep_artifacts: bool,
    skip_unreachable: bool,
    break_lease: bool,
) -> None:
    run = new_run_id()
    name = session.spec.name
    async with Fleet(session.spec, run_id=run, password=ask_password, tolerant=True) as fleet:

        async def ask() -> tuple[Facts, Plan]:
            facts = await session.survey(fleet)
            if facts.unreachable and not skip_unreachable:
                if facts.hosts:
                    click.echo("with --skip-unreachable the other hosts would be reset", err=True)
                raise FleetError(facts.unreachable)
            view = session.view(facts, session.lookup(arches(facts)))
            return facts, reset(view, keep_artifacts=keep_artifacts)

        facts, plan = await ask()
        if plan.empty:
            click.echo(f"{name}: nothing to do, no host of the spec belongs to this cluster")
            return
        click.echo(plan_text(plan, verbose=verbose), err=True)
        if not yes and not confirmed(f"Remove the cluster {name} and all that is in it?"):
            raise click.Abort
        async with hold(session.spec, fleet, run, break_lease=break_lease) as inherited:
            if inherited:
                # An earlier run may have made more hosts the cluster's since they were asked.
                facts, plan = await ask()
            await carry_out(session, fleet, plan, run, {})
    (paths.cluster_dir(name) / "kubeconfig").unlink(missing_ok=True)
    click.echo(f"{name} is gone from {', '.join(host for host in facts.hosts)}", err=True)
