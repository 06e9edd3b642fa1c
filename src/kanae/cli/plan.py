"""`kanae plan`: what apply would change, without changing anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from kanae.cli.output import emit, output_option
from kanae.cli.session import Session, arches
from kanae.plan.model import Plan
from kanae.report.plan_text import plan_data, plan_text
from kanae.transport.fleet import Fleet


@click.command("plan")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("-v", "--verbose", is_flag=True, help="Show every step and every file.")
@click.option(
    "--exit-code", is_flag=True, help="End with 0 when nothing is to be done, 2 when something is."
)
@output_option
def command(spec: Path, verbose: bool, exit_code: bool, output: str) -> None:
    """Show what would change on which host.

    Nothing is changed, nothing is fetched; a host that cannot be reached is said and left out.

    \b
    Examples:
      kanae plan cluster.yaml
      kanae plan cluster.yaml -v
      kanae plan cluster.yaml -o json | jq '.steps[].title'
    """
    session = Session.open(spec)
    found = asyncio.run(_plan(session))
    emit(plan_data(found), output, lambda: plan_text(found, verbose=verbose))
    if exit_code and not found.empty:
        raise click.exceptions.Exit(2)


async def _plan(session: Session) -> Plan:
    async with Fleet(session.spec, tolerant=True) as fleet:
        facts = await session.survey(fleet)
    for host, why in facts.unreachable.items():
        reason = why.removeprefix(f"{host}: ")
        click.echo(f"warning: {host} is left out: {reason}", err=True)
    return session.plan(facts, session.lookup(arches(facts)))
