"""Hosts that only lose a balancer or a gate do so when nobody is led to them any more: all other
balancers are as wanted, and pods and hosts go by those."""

from __future__ import annotations

from kanae.plan.balancer import only_loses, rest
from kanae.plan.draft import Draft


def plan(draft: Draft) -> None:
    view = draft.view
    before = [*draft.reached, draft.at.in_cluster]
    for host in draft.hosts:
        if only_loses(view, host):
            draft.hosts[host].converge("balancer", "load balancer", rest(view, host), before)
