"""`kanae plan`: what apply would change, without changing anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from kanae.cli.confirm import ask_password
from kanae.cli.output import emit, output_option
from kanae.cli.session import Session, arches
from kanae.errors import Refused
from kanae.facts.model import Facts
from kanae.plan.model import Plan
from kanae.report.plan_text import plan_data, plan_text
from kanae.transport.fleet import Fleet, FleetError


@click.command("plan")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("-v", "--verbose", is_flag=True, help="Show every step and every file.")
@click.option(
    "--exit-code", is_flag=True, help="End with 0 when nothing is to be done, 2 when something is."
)
@output_option
def command(spec: Path, verbose: bool, exit_code: bool, output: str) -> None:
    """Show what would change on which host.

    Nothing is changed, nothing is fetched. When hosts cannot be reached, the plan is that of the
    others, if it can be made, and the command ends as apply would: with the hosts' error.

    \b
    Examples:
      kanae plan cluster.yaml
      kanae plan cluster.yaml -v
      kanae plan cluster.yaml -o json | jq '.steps[].title'
    """
    session = Session.open(spec)
    facts = asyncio.run(_facts(session))
    lost = FleetError(facts.unreachable) if facts.unreachable else None
    found = _plan(session, facts, lost)
    emit(plan_data(found), output, lambda: plan_text(found, verbose=verbose))
    if lost is not None:
        click.echo(f"left out: {', '.join(facts.unreachable)}", err=True)
        raise lost
    if exit_code and not found.empty:
        raise click.exceptions.Exit(2)


async def _facts(session: Session) -> Facts:
    async with Fleet(session.spec, password=ask_password, tolerant=True) as fleet:
        return await session.survey(fleet)


def _plan(session: Session, facts: Facts, lost: FleetError | None) -> Plan:
    """Raises Refused, except where that may come of hosts that are not known: then their error."""
    try:
        return session.plan(facts, session.lookup(arches(facts)))
    except Refused as refused:
        if lost is not None:
            raise lost from refused
        raise
