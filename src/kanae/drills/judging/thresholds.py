"""Limits by drill and balancer, from thresholds.toml beside this file or another one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import cast

from kanae.drills.judging.metrics import is_metric
from kanae.errors import UsageError

_VALIDITY = (
    "min-requests",
    "min-share",
    "max-lag-p99",
    "max-clock-error",
    "max-failed-before",
    "max-wait-before",
    "max-control-wait",
)
# In a drill's table: not a metric but a table of them.
_LEADER = "leader"
# Came later than files that people have made.
_OPTIONAL = {"max-clock-error": 0.02, "max-wait-before": 1.0, "max-control-wait": 1.0}
# What every run has in its history, of whatever age.
RECORDED = tuple(name for name in _VALIDITY if name not in _OPTIONAL)


def load(path: Path | None = None) -> Mapping[str, object]:
    """The parsed file; the one that comes with kanae by default. Raises UsageError."""
    try:
        if path is None:
            text = resources.files("kanae.drills.judging").joinpath("thresholds.toml").read_text()
        else:
            text = path.read_text()
        return tomllib.loads(text)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"thresholds {path or ''}: {error}") from None


def _table(data: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = data.get(name, {})
    if not isinstance(value, dict):
        raise UsageError(f"thresholds: {name} must be a table")
    return cast("Mapping[str, object]", value)


def validity(data: Mapping[str, object]) -> Mapping[str, float]:
    """The bounds outside of which a run is void. All but _OPTIONAL are required."""
    found = {**_OPTIONAL, **_table(data, "validity")}
    if unknown := sorted(found.keys() - set(_VALIDITY)):
        raise UsageError(
            f"thresholds: [validity] has no bound {', '.join(unknown)}",
            remedy=f"its bounds: {', '.join(_VALIDITY)}",
        )
    return {name: _number(name, found.get(name)) for name in _VALIDITY}


def limits(data: Mapping[str, object], drill: str, balancer: str) -> Mapping[str, float]:
    """metric -> limit for one drill behind one kind of balancer."""
    own = {k: v for k, v in _table(_table(data, "drill"), drill).items() if k != _LEADER}
    return _resolved(_table(data, "all"), balancer) | _resolved(own, balancer)


def leader_limits(data: Mapping[str, object], drill: str, balancer: str) -> Mapping[str, float]:
    """Those that apply instead when the fault takes the host of etcd's leader; may be empty."""
    return _resolved(_table(_table(_table(data, "drill"), drill), _LEADER), balancer)


def only_healing(limits: Mapping[str, float]) -> dict[str, float]:
    """What can be judged when the fault takes the only way to the endpoint."""
    return {m: limit for m, limit in limits.items() if m.startswith(("heal.", "proof."))}


def _resolved(table: Mapping[str, object], balancer: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for metric, value in table.items():
        if not is_metric(metric):
            raise UsageError(f"thresholds: {metric} is no metric")
        if isinstance(value, dict):
            by_kind = cast("Mapping[str, object]", value)
            if balancer in by_kind:
                found[metric] = _number(metric, by_kind[balancer])
        else:
            found[metric] = _number(metric, value)
    return found


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"thresholds: {name} must be a number, not {value!r}")
    return float(value)
