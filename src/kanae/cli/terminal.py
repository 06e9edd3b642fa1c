"""The console of operations that change a cluster, on a terminal or where there is none.

Whoever runs it sees the plan and the run on standard error; what draws them is imported only then.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import click

from kanae.artifacts.progress import Progress
from kanae.cli.confirm import ask_password, confirmed, named
from kanae.execute.events import Event
from kanae.plan.model import Plan
from kanae.report.plan_text import plan_text


@dataclass(frozen=True, slots=True)
class Terminal:
    """A `kanae.operations.console.Console`. question: asked below the plan, unless `yes`.

    removes: hosts whose removal has been said in words; for others the name is asked for. ask: asks
    something else than the question, instead of it.
    """

    question: str
    yes: bool
    verbose: bool
    removes: tuple[str, ...] = ()
    ask: Callable[[], bool] | None = None

    def password(self) -> str | None:
        return ask_password()

    async def decide(self, plan: Plan, *, again: bool) -> bool:
        if again:
            click.echo("an earlier run went on until now; what is left:", err=True)
        click.echo(plan_text(plan, verbose=self.verbose), err=True)
        if self.ask is not None:
            return (again and plan.empty) or self.ask()
        removed = [host for host in plan.removes if host not in self.removes]
        if removed and not named(removed):
            return False
        return self.yes or (again and plan.empty) or bool(removed) or confirmed(self.question)

    def waiting(self, what: str) -> None:
        click.echo(what, err=True)

    def obtaining(self) -> AbstractContextManager[Progress]:
        from kanae.artifacts.console import progress

        return progress()

    def running(self, plan: Plan) -> AbstractContextManager[Callable[[Event], None]]:
        from kanae.report.console import live

        return live(plan)
