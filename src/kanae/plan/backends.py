"""Balancers that serve lead to control-plane hosts that join once these serve.

A balancer counts a new server as up until its first check: whoever is sent there meanwhile would be
thrown out again. That kubeadm has ended tells of an API server that lives, not that it is ready.
"""

from __future__ import annotations

from collections.abc import Sequence

from kanae.plan import balancer
from kanae.plan.draft import Draft
from kanae.plan.waits import await_api
from kanae.spec.models import Role


def plan(draft: Draft) -> None:
    view = draft.view
    joins = {host: draft.at.joins[host] for host in view.control_planes if host in draft.at.joins}
    serving = [host for host in view.spec.having(Role.LOAD_BALANCER) if balancer.serves(view, host)]
    if not joins or not view.joined_control_planes or not serving:
        return
    ready = [await_api(draft, host, "backends", "api-ready", step) for host, step in joins.items()]

    def change(host: str, needs: Sequence[str | None]) -> str | None:
        wanted = balancer.complete(view, host)
        return draft.hosts[host].converge("backends", "load balancer", wanted, [*ready, *needs])

    draft.rolling.roll(serving, change, serves=lambda _: True)
