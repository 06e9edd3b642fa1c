"""What is left of a spec when its malformed parts are cut out.

A person wants to hear of everything wrong at once: of an overlap of networks even when a label
further down is malformed. So malformed parts are cut out until the rest is a valid spec, and
the rules judge that; what a rule says about a part that was cut is not heard.
"""

from __future__ import annotations

from kanae.spec.tree import Path, Plain
from kanae.spec.versions import NEWEST_MINOR

# What stands in for a required field of the spec itself, so that the rest can be judged.
_STAND_INS: dict[str, Plain] = {"name": "unnamed", "kubernetes": f"v1.{NEWEST_MINOR}.0"}


def touches(one: Path, other: Path) -> bool:
    """Whether one path is the other, leads to it or comes from it."""
    short = min(len(one), len(other))
    return one[:short] == other[:short]


class Salvage:
    """data: what is left; cut: paths of what is gone; hopeless: nothing is left to judge."""

    def __init__(self, data: Plain) -> None:
        self.data = data
        self.cut: set[Path] = set()
        self.hopeless = not isinstance(data, dict)

    def without(self, malformed: list[Path]) -> None:
        """Cuts the fields that hold the malformed values, or what misses a required one."""
        before = len(self.cut)
        for path in malformed:
            self._cut(path[:-1] if path[-1:] == ("[key]",) else path)
        # Each round must cut something, or it would go on for ever.
        self.hopeless = self.hopeless or len(self.cut) == before

    def _cut(self, path: Path) -> None:
        steps: list[dict[str, Plain]] = []
        here: Plain = self.data
        # A list is cut as a whole: without one item, the numbers of the others would shift.
        for part in path:
            if not isinstance(here, dict):
                break
            steps.append(here)
            here = here.get(str(part))
        depth = len(steps)
        while depth and str(path[depth - 1]) not in steps[depth - 1]:
            if depth == 1 and path[0] in _STAND_INS:
                break
            depth -= 1
        if not depth:
            self.hopeless = True
            return
        name = str(path[depth - 1])
        steps[depth - 1].pop(name, None)
        if depth == 1 and name in _STAND_INS:
            steps[0][name] = _STAND_INS[name]
        self.cut.add((*path[: depth - 1], name))
