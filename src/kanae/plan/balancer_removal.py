"""Hosts that only lose a balancer or a gate do so when nobody is led to them any more: all other
balancers are as wanted, and pods and hosts go by those."""

from __future__ import annotations

from kanae.plan.balancer import lose
from kanae.plan.draft import Draft


def plan(draft: Draft) -> None:
    if not draft.first:
        lose(draft, [*draft.reached, *draft.at.let_go])
