"""Carrying out a plan: what apply and reset do once there is something to do.

A module of its own, so that a run that finds nothing to do does not wait for its imports.
"""

from __future__ import annotations

from collections.abc import Mapping

from kanae.artifacts.archives import Archives
from kanae.artifacts.model import Artifact
from kanae.cli.session import Session
from kanae.execute.actions import handlers
from kanae.execute.journal import Journal
from kanae.execute.scheduler import RunContext, run_plan
from kanae.execute.values import Values
from kanae.plan.model import Plan
from kanae.report.console import live
from kanae.transport.fleet import Fleet


async def carry_out(
    session: Session, fleet: Fleet, plan: Plan, run: str, artifacts: Mapping[str, Artifact]
) -> None:
    """Run a plan with journal and live view. Raises RunFailed when any step failed."""
    values = Values()
    with Journal(session.spec.name, run, values.redactor) as journal, live(plan) as emit:
        result = await run_plan(
            plan,
            handlers(artifacts, Archives()),
            RunContext(fleet, values),
            journal=journal,
            emit=emit,
        )
    result.raise_failed(values.redactor)
