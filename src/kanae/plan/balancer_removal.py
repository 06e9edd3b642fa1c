"""Hosts that only lose a balancer or a gate do so when all balancers are as wanted and pods are not
led to them any more."""

from __future__ import annotations

from kanae.plan.balancer import only_loses, resources
from kanae.plan.draft import Draft


def plan(draft: Draft) -> None:
    view = draft.view
    before = [*draft.at.balancers, draft.at.in_cluster]
    for host in draft.hosts:
        if only_loses(view, host):
            wanted = resources(view, host)
            step = draft.hosts[host].converge("balancer", "load balancer", wanted, before)
            draft.at.balancers += [step] if step is not None else []
