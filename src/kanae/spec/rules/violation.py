"""What a rule says about a spec."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from kanae.spec.models import Spec
from kanae.spec.tree import Path


@dataclass(frozen=True, slots=True)
class Violation:
    """path: the field to be changed, in the names of the file; message: what was expected.

    at_key: the name of the field is wrong, not its value.
    about: further fields that were judged; a violation is not shown when one of them was
    unreadable, since it may be a mere consequence.
    """

    path: Path
    message: str
    about: tuple[Path, ...] = ()
    at_key: bool = False


Rule: TypeAlias = Callable[[Spec], Iterator[Violation]]
