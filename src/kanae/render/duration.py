"""Durations as the spec has them (Go's notation), for programs with notations of their own."""

from __future__ import annotations

import re
from typing import Final

_MILLISECONDS: Final = {"ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}


def milliseconds(text: str) -> int:
    """1500 for `1.5s` or `1s500ms`. The spec's pattern has already refused anything else."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    return round(sum(float(number) * _MILLISECONDS[unit] for number, unit in parts))
