"""Figures of a bench as a small table: median, best and worst of each quantity."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Figure:
    """values: one a round. target: the most that the median may be, or None."""

    name: str
    unit: str = "s"
    target: float | None = None
    values: list[float] = field(default_factory=list[float])

    def add(self, value: float) -> None:
        self.values.append(value)

    @property
    def median(self) -> float:
        return statistics.median(self.values)


def ratio(over: Figure, under: Figure, target: float | None = None) -> Figure:
    """Of the medians: figures of one run on one machine, whatever that machine is."""
    return Figure(f"{over.name} / {under.name}", "x", target, [over.median / under.median])


def table(figures: Sequence[Figure]) -> str:
    """Only figures with values are shown. The machine is said, as seconds mean little without."""
    rows = [("", "median", "best", "worst", "n", "target", "")]
    for figure in figures:
        if not figure.values:
            continue
        met = "" if figure.target is None else "met" if figure.median <= figure.target else "MISSED"
        rows.append(
            (
                figure.name,
                f"{figure.median:.2f} {figure.unit}",
                f"{min(figure.values):.2f}",
                f"{max(figure.values):.2f}",
                str(len(figure.values)),
                "" if figure.target is None else f"<= {figure.target:g} {figure.unit}",
                met,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    load = os.getloadavg()[0]
    return "\n".join([*lines, f"({os.cpu_count()} cores, load {load:.1f} at the end)"])
