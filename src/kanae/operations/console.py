"""Whom an operation asks and tells: a terminal, a page in a browser, a test."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from kanae.artifacts.progress import Progress
from kanae.execute.events import Event
from kanae.plan.model import Plan


class Console(Protocol):
    """What is raised by any of these ends the operation: it has changed nothing until `running`."""

    def password(self) -> str | None:
        """For sudo, the same on all hosts that want one; None when nobody can be asked."""
        ...

    async def decide(self, plan: Plan, *, again: bool) -> bool:
        """Show a plan, and say whether it may be carried out.

        again: it is what is left of one that was agreed to, since an earlier run's commands went
        on until now. It may then be empty, and is shown only.
        """
        ...

    def waiting(self, what: str) -> None:
        """Told what is waited for, where that may take minutes."""
        ...

    def obtaining(self) -> AbstractContextManager[Progress]:
        """Told how artifacts are fetched or built. Entered in a thread of its own."""
        ...

    def running(self, plan: Plan) -> AbstractContextManager[Callable[[Event], None]]:
        """Given every event of the plan's run."""
        ...
