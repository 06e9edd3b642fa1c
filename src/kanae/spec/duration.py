"""Durations as the spec has them (Go's notation, and ages), for programs with notations of their
own."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_MILLISECONDS: Final = {"ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}
_PART: Final = r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)"
# Go counts nanoseconds in 64 bits.
_MOST: Final = 2**63 / 1e6


def go_milliseconds(text: str) -> int | None:
    """1500 for `1.5s` or `1s500ms`, rounded; None for what is no such duration."""
    if not re.fullmatch(f"({_PART})+", text):
        return None
    total = sum(float(n) * _MILLISECONDS[unit] for n, unit in re.findall(_PART, text))
    return round(total) if total < _MOST else None


def milliseconds(text: str) -> int:
    """The same for a duration of the spec, whose pattern has refused anything else."""
    value = go_milliseconds(text)
    if value is None:
        raise ValueError(f"not a duration: {text!r}")
    return value


def age(text: str) -> timedelta:
    """Of `kanae.spec.text.Age`, whose pattern has refused anything else."""
    hours = {"h": 1, "d": 24, "w": 24 * 7}
    return timedelta(hours=int(text[:-1]) * hours[text[-1]])
