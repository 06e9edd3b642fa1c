"""Balancers that serve lead to control-plane hosts that join once these have joined.

A balancer counts a new server as up until its first check: whoever is sent there meanwhile would be
thrown out again.
"""

from __future__ import annotations

from collections.abc import Sequence

from kanae.plan import balancer
from kanae.plan.draft import Draft
from kanae.spec.models import Role


def plan(draft: Draft) -> None:
    view = draft.view
    joins = [draft.at.joins.get(host) for host in view.control_planes if view.joins(host)]
    if not any(joins):
        return

    def change(host: str, needs: Sequence[str | None]) -> str | None:
        wanted = balancer.complete(view, host)
        return draft.hosts[host].converge("backends", "load balancer", wanted, [*joins, *needs])

    serving = [host for host in view.spec.having(Role.LOAD_BALANCER) if balancer.serves(view, host)]
    draft.rolling.roll(serving, change, serves=lambda _: True)
