"""`kanae apply`: make the hosts into the cluster of the spec, or back into it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from kanae.cli.kubeconfig import save
from kanae.cli.session import Session, arches, archive_folder
from kanae.errors import ConnectError
from kanae.execute.deeds import handlers
from kanae.execute.journal import Journal, new_run_id
from kanae.execute.lease import hold
from kanae.execute.result import RunResult
from kanae.execute.scheduler import RunContext, run_plan
from kanae.execute.values import Values
from kanae.facts.model import Facts
from kanae.plan.model import Plan
from kanae.report.console import live
from kanae.report.plan_text import plan_text
from kanae.transport.fleet import Fleet
from kanae.verify.gate import require


@click.command("apply")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("-y", "--yes", is_flag=True, help="Do not ask before changing anything.")
@click.option("-v", "--verbose", is_flag=True, help="Show every step of the plan.")
@click.option("--ignore", "ignored", multiple=True, metavar="CHECK", help="Skip a named check.")
@click.option("--break-lease", is_flag=True, help="Take the lease from an operator who holds it.")
def command(
    spec: Path, yes: bool, verbose: bool, ignored: tuple[str, ...], break_lease: bool
) -> None:
    """Build the cluster of SPEC, or put right what differs from it.

    Shows the plan and asks first. May be interrupted at any time and run again.

    \b
    Examples:
      kanae apply cluster.yaml
      kanae apply cluster.yaml --yes
      kanae apply cluster.yaml --ignore memory
    """
    session = Session.open(spec)
    changed = asyncio.run(_apply(session, yes, verbose, ignored, break_lease))
    if changed:
        click.echo(_how_to_use(session, spec), err=True)


async def _apply(
    session: Session, yes: bool, verbose: bool, ignored: tuple[str, ...], break_lease: bool
) -> bool:
    run = new_run_id()
    async with Fleet(session.spec, run_id=run, password=_ask_password) as fleet:
        facts = await session.survey(fleet)
        if facts.unreachable:
            host, why = next(iter(facts.unreachable.items()))
            raise ConnectError(host, why.removeprefix(f"{host}: "))
        artifacts = session.lookup(arches(facts))
        plan = session.plan(facts, artifacts)
        if plan.empty:
            click.echo(plan_text(plan), nl=False)
            return False
        async with hold(session.spec, fleet, run, break_lease=break_lease):
            artifacts = await asyncio.to_thread(session.obtain, arches(facts))
            plan = session.plan(facts, artifacts)
            await require(session.spec, facts, fleet, ignored)
            click.echo(plan_text(plan, verbose=verbose), err=True)
            if not yes and not _confirmed(session):
                raise click.Abort
            values = Values()
            result = await _run(session, fleet, plan, run, values, artifacts)
            result.raise_failed(values.redactor)
            await save(session.spec, fleet)
    return True


async def _run(session, fleet, plan, run, values, artifacts) -> RunResult:
    with Journal(session.spec.name, run, values.redactor) as journal, live(plan) as emit:
        return await run_plan(
            plan,
            handlers(artifacts, archive_folder()),
            RunContext(session.spec, fleet, values),
            journal=journal,
            emit=emit,
        )


def _confirmed(session: Session) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; say --yes")
    return click.confirm(f"Apply this to {session.spec.name}?", err=True)


def _ask_password() -> str:
    return click.prompt("sudo password", hide_input=True, err=True)


def _how_to_use(session: Session, spec: Path) -> str:
    return (
        f"\n{session.spec.name} is up. Use it:\n"
        f"  kanae kubeconfig {spec} --merge && kubectl --context {session.spec.name} get nodes\n"
        f"  kanae status {spec}\n"
        f"Take it down: kanae reset {spec}"
    )
