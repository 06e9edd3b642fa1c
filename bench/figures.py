"""Figures of a bench as a small table: median, best and worst of each quantity."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Figure:
    """values: one a round. target: the most that the median may be, or the worst if `every`; or
    None.
    """

    name: str
    unit: str = "s"
    target: float | None = None
    values: list[float] = field(default_factory=list[float])
    every: bool = False

    def add(self, value: float) -> None:
        self.values.append(value)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> str:
        if self.target is None:
            return ""
        judged = max(self.values) if self.every else self.median
        return "met" if judged <= self.target else "MISSED"


def ratio(over: Figure, under: Figure, target: float | None = None) -> Figure:
    """Of the medians: figures of one run on one machine, whatever that machine is."""
    return Figure(f"{over.name} / {under.name}", "x", target, [over.median / under.median])


HEAD = ("", "median", "best", "worst", "n", "target", "")


def rows(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """The columns of HEAD. Only figures with values are shown."""
    return [
        (
            figure.name,
            f"{figure.median:.2f} {figure.unit}".rstrip(),
            f"{min(figure.values):.2f}",
            f"{max(figure.values):.2f}",
            str(len(figure.values)),
            "" if figure.target is None else f"<= {figure.target:g} {figure.unit}".rstrip(),
            figure.met,
        )
        for figure in figures
        if figure.values
    ]


def table(figures: Sequence[Figure]) -> str:
    """The machine is said, as seconds mean little without."""
    cells = [HEAD, *rows(figures)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEAD))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    load = os.getloadavg()[0]
    return "\n".join([*lines, f"({os.cpu_count()} cores, load {load:.1f} at the end)"])


def markdown(figures: Sequence[Figure]) -> str:
    """The same as a table for docs/, without the machine."""
    lines = [HEAD, ("---", *("---:",) * (len(HEAD) - 1)), *rows(figures)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
