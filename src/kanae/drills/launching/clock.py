"""How far another machine's monotonic clock is ahead of this one's, by round trips. Pure.

As in NTP (RFC 5905): the other clock was read at some moment between the sending of a question and
the coming of its answer. Taking the middle is wrong by half the round trip at most, whatever the
two ways took; of many round trips the quickest therefore says most.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """sent, heard: by this machine's clock; there: by the other's. Seconds."""

    sent: float
    there: float
    heard: float

    @property
    def offset(self) -> float:
        """By how much the other clock is ahead."""
        return self.there - (self.sent + self.heard) / 2

    @property
    def bound(self) -> float:
        """What `offset` may be wrong by."""
        return (self.heard - self.sent) / 2


def quickest(samples: Iterable[Sample]) -> Sample:
    """Raises ValueError when there is none."""
    return min(samples, key=lambda sample: sample.bound)
