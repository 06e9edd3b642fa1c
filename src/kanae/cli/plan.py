"""`kanae plan`: what apply would change, without changing anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from kanae.cli.arguments import host_keys_option, spec_argument
from kanae.cli.confirm import ask_password
from kanae.cli.output import emit, output_option
from kanae.operations.preview import preview
from kanae.operations.project import Project
from kanae.report.plan_text import plan_data, plan_text
from kanae.transport.acceptance import HostKeys


@click.command("plan")
@spec_argument
@click.option("-v", "--verbose", is_flag=True, help="Show every step and every file.")
@click.option(
    "--exit-code", is_flag=True, help="End with 0 when nothing is to be done, 2 when something is."
)
@host_keys_option
@output_option
def command(spec: Path, verbose: bool, exit_code: bool, host_keys: HostKeys, output: str) -> None:
    """Show what would change on which host.

    Nothing is changed, nothing is fetched. When hosts cannot be reached, the plan is that of the
    others, if it can be made, and the command ends as apply would: with the hosts' error.

    \b
    Examples:
      kanae plan cluster.yaml
      kanae plan cluster.yaml -v
      kanae plan cluster.yaml -o json | jq '.steps[].title'
    """
    found = asyncio.run(preview(Project.open(spec), ask_password, host_keys))
    plan = found.plan
    emit(plan_data(plan), output, lambda: plan_text(plan, verbose=verbose))
    if found.lost is not None:
        raise found.lost
    if exit_code and not plan.empty:
        raise click.exceptions.Exit(2)
