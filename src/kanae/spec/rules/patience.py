"""How long the cluster waits for a part of its own: leases with which nobody would start.

Source: NewLeaderElector in client-go tools/leaderelection/leaderelection.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kanae.spec import patience
from kanae.spec.duration import go_milliseconds
from kanae.spec.models import Spec
from kanae.spec.patience import LEASE, RENEWAL, RETRY
from kanae.spec.rules.hosts import HOSTS
from kanae.spec.rules.violation import Violation
from kanae.spec.scalar import quoted
from kanae.spec.tree import Path

_MANAGER: Path = ("controllerManager", "extraArgs")
_SCHEDULER: Path = ("scheduler", "extraArgs")


def patience_rules(spec: Spec) -> Iterator[Violation]:
    yield from _lease(spec, spec.controller_manager.extra_args, _MANAGER)
    yield from _lease(spec, spec.scheduler.extra_args, _SCHEDULER)


def _lease(spec: Spec, said: Mapping[str, str], place: Path) -> Iterator[Violation]:
    settled = patience.lease(spec, said)
    lasting: dict[str, int] = {}
    for name, value in settled.items():
        time = go_milliseconds(value)
        if not time:
            message = f"expected a duration such as 1.5s, not {quoted(value)}"
            yield Violation((*place, name), message)
            return
        lasting[name] = time
    if lasting[LEASE] % 1000:
        message = f"expected whole seconds, of which alone a lease tells, not {settled[LEASE]}"
        yield Violation((*place, LEASE), message)
    # What is said is at fault, and not the default beside it.
    if lasting[RENEWAL] >= lasting[LEASE]:
        if RENEWAL in said:
            message = f"expected less than the lease of {settled[LEASE]}, not {settled[RENEWAL]}"
            yield Violation((*place, RENEWAL), message, about=(HOSTS, (*place, LEASE)))
        else:
            message = (
                f"expected more than the time for its renewal ({RENEWAL}: {settled[RENEWAL]}),"
                f" not {settled[LEASE]}"
            )
            yield Violation((*place, LEASE), message, about=(HOSTS,))
    if lasting[RENEWAL] * 10 <= lasting[RETRY] * 12:
        if RETRY in said:
            message = (
                f"expected less than the time for a renewal ({RENEWAL}: {settled[RENEWAL]})"
                f" by 1.2, not {settled[RETRY]}"
            )
            yield Violation((*place, RETRY), message, about=(HOSTS, (*place, RENEWAL)))
        else:
            message = (
                f"expected more than 1.2 times {RETRY}, which is {settled[RETRY]},"
                f" not {settled[RENEWAL]}"
            )
            yield Violation((*place, RENEWAL), message, about=(HOSTS,))
