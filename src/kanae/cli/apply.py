"""`kanae apply`: make the hosts into the cluster of the spec, or back into it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from kanae.cli.confirm import ask_password, confirmed
from kanae.cli.session import Session, arches
from kanae.execute.journal import new_run_id
from kanae.facts.model import Facts
from kanae.report.plan_text import plan_text
from kanae.transport.fleet import Fleet, FleetError


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
    if asyncio.run(_apply(session, yes, verbose, ignored, break_lease)):
        click.echo(_how_to_use(session.spec.name, spec), err=True)


async def _apply(
    session: Session, yes: bool, verbose: bool, ignored: tuple[str, ...], break_lease: bool
) -> bool:
    """Whether anything was to be done, and is done now."""
    run = new_run_id()
    async with Fleet(session.spec, run_id=run, password=ask_password) as fleet:
        facts = await _survey(session, fleet)
        artifacts = session.lookup(arches(facts))
        plan = session.plan(facts, artifacts)
        if plan.empty:
            click.echo(plan_text(plan), nl=False)
            return False
        # Only now: a run that finds nothing to do must not wait for these imports.
        from kanae.cli.carry_out import carry_out
        from kanae.cli.kubeconfig import save
        from kanae.execute.lease import hold
        from kanae.verify.gate import require

        await require(session.spec, facts, fleet, ignored)
        if session.lacking(arches(facts), artifacts):
            artifacts = await asyncio.to_thread(session.obtain, arches(facts))
            plan = session.plan(facts, artifacts)
        click.echo(plan_text(plan, verbose=verbose), err=True)
        question = f"Apply this to {session.spec.name}?"
        if not yes and not confirmed(question):
            raise click.Abort
        async with hold(session.spec, fleet, run, break_lease=break_lease) as inherited:
            if inherited:
                # Commands of an earlier run may have ended since the hosts were asked.
                shown, plan = plan, session.plan(await _survey(session, fleet), artifacts)
                if plan != shown:
                    click.echo("an earlier run went on until now; what is left:", err=True)
                    click.echo(plan_text(plan, verbose=verbose), err=True)
                    if not plan.empty and not yes and not confirmed(question):
                        raise click.Abort
            await carry_out(session, fleet, plan, run, artifacts)
            await save(session.spec, fleet)
    return not plan.empty


async def _survey(session: Session, fleet: Fleet) -> Facts:
    """Facts of all hosts. Raises FleetError when one does not answer."""
    facts = await session.survey(fleet)
    if facts.unreachable:
        raise FleetError(facts.unreachable)
    return facts


def _how_to_use(cluster: str, spec: Path) -> str:
    return (
        f"\n{cluster} is as the spec says.\n"
        f"  use it:       kanae kubeconfig {spec} --merge\n"
        f"                kubectl --context {cluster} get nodes\n"
        f"  look at it:   kanae status {spec}\n"
        f"  take it down: kanae reset {spec}"
    )
