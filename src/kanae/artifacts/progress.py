"""How long work tells what it does: a line now and then, and tasks that advance."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self


class Task(Protocol):
    """One piece of work with a known or unknown amount. Use it as a context manager."""

    def total(self, amount: int) -> None:
        """The whole amount has become known."""
        ...

    def advance(self, amount: int) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> None: ...


class Progress(Protocol):
    """Called from several threads."""

    def say(self, line: str) -> None: ...

    def task(self, label: str, *, unit: str = "bytes") -> Task:
        """unit: "bytes" (rates are shown as such) or a plural noun, as in "packages"."""
        ...


class SilentTask:
    def total(self, amount: int) -> None:
        pass

    def advance(self, amount: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        pass


class Silent:
    """Tells nobody; keeps the lines, so that a test or a caller can look at them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def task(self, label: str, *, unit: str = "bytes") -> Task:
        return SilentTask()
