"""Bringing resources about, once their files are written."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.layout import paths as at
from kanae.plan.actions import Converge
from kanae.resources.model import Content


def contents(action: Converge) -> Sequence[Content]:
    """The files that are written first: marks, then those of the resources."""
    return [
        *action.marks,
        *(each for resource in action.resources for each in resource.uploads()),
    ]


def apply(action: Converge) -> str:
    """ "" when the files are all there is to do."""
    lines = [line for resource in action.resources if (line := resource.apply())]
    if any(content.path.startswith(f"{at.UNITS}/") for content in contents(action)):
        lines.insert(0, "systemctl daemon-reload")
    return "\n".join(["set -e", *lines]) if lines else ""
