"""What a drill needs of whoever restores the cluster in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TakenBack:
    """To what: etcd's revision then, and from where they go on. source: from what, in words."""

    revision: int
    reached: int
    source: str


class Remedy(Protocol):
    """Of one run. All errors are KanaeError kinds."""

    async def secure(self) -> str:
        """Before anything is destroyed: make what the cluster is restored from, and see that it
        would be. What was made, in words. Raises when it would not.
        """
        ...

    async def restore(self) -> TakenBack:
        """As an operator does it. Returns when the restore has ended."""
        ...
