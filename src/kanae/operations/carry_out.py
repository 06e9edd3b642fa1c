"""Carrying out a plan, with its journal.

A module of its own, so that a run that finds nothing to do does not wait for its imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kanae.artifacts.archives import Archives
from kanae.artifacts.model import Artifact
from kanae.execute.actions import handlers
from kanae.execute.journal import Journal
from kanae.execute.scheduler import RunContext, run_plan
from kanae.execute.values import Values
from kanae.operations.console import Console
from kanae.operations.project import Project
from kanae.plan.model import Plan
from kanae.transport.fleet import Fleet


async def carry_out(
    project: Project,
    fleet: Fleet,
    plan: Plan,
    run: str,
    artifacts: Mapping[str, Artifact],
    console: Console,
    purpose: str = "",
) -> Path:
    """Returns the file with its journal, which RunFailed names too where a step failed.

    run: its id. artifacts: by id, all that steps deliver. purpose: see `RunStarted`.
    """
    values = Values()
    name = project.spec.name
    with Journal(name, run, values.redactor) as journal, console.running(plan) as emit:
        result = await run_plan(
            plan,
            handlers(artifacts, Archives()),
            RunContext(fleet, values, purpose),
            journal=journal,
            emit=emit,
        )
    replace(result, log=journal.path).raise_failed(values.redactor)
    return journal.path
