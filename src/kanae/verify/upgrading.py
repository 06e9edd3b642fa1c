"""Asking a living cluster what may stand in an upgrade's way."""

from __future__ import annotations

import json

from kanae.errors import KanaeError
from kanae.execute.scripts import nodes, upgrade
from kanae.facts.model import Facts
from kanae.facts.pods import budgets
from kanae.facts.upgrading import DeprecatedApi, Upgrading, parse_deprecated, webhooks
from kanae.layout import ports
from kanae.spec.models import Role, Spec
from kanae.transport.fleet import Fleet
from kanae.transport.gather import gather
from kanae.transport.protocol import Transport, must

_TIMEOUT = 30.0


async def upgrading(spec: Spec, fleet: Fleet, facts: Facts) -> Upgrading:
    """Of every API server that is ready, and by the first of them of the cluster."""
    ready = {
        host: fleet[host]
        for host in spec.having(Role.CONTROL_PLANE)
        if (each := facts.hosts.get(host)) is not None and each.api is not None and each.api.ready
    }

    async def asked_for(transport: Transport) -> tuple[DeprecatedApi, ...]:
        address = str(spec.hosts[transport.host].address)
        script = upgrade.deprecated(address, ports.API_SERVER)
        text = await must(transport, script, command="kubectl get --raw /metrics", timeout=_TIMEOUT)
        return parse_deprecated(text.decode(errors="replace"))

    deprecated = (await gather(ready, asked_for, spec.policies.parallel_hosts)).done
    for transport in ready.values():
        try:
            return Upgrading(
                deprecated,
                webhooks(await _listed(transport, upgrade.webhooks(), "webhooks")),
                budgets(await _listed(transport, nodes.budgets(), "poddisruptionbudgets")),
            )
        except (KanaeError, ValueError):
            continue
    return Upgrading(deprecated)


async def _listed(transport: Transport, script: str, what: str) -> object:
    return json.loads(
        await must(transport, script, command=f"kubectl get {what}", timeout=_TIMEOUT)
    )
