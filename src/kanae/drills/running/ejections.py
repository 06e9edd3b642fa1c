"""What balancers say in their logs of servers that they took out of use."""

from __future__ import annotations

import asyncio
import math

from kanae.drills.faults.protocol import Tools
from kanae.layout import units
from kanae.spec.models import Balancer, EtcdTopology, Role, Spec
from kanae.transport.protocol import must

# haproxy 2.x (src/server.c), nginx (ngx_stream_upstream_round_robin.c) and its watch
# (render/watch.py), in their words; of haproxy's backends those that carry connections, as
# render/haproxy.py names them. For grep -E.
EJECTED = (
    "Server (api|etcd)/[^ ]+ is (DOWN|stopping)|upstream server temporarily disabled"
    "|standing still: [0-9]"
)


async def ejections(tools: Tools, seconds: float) -> tuple[str, ...]:
    """`host: what its balancer logged`, of the last so many seconds, each once.

    Asks the balancers before the API servers and those before external etcd. Raises HostError.
    """
    balancers = _units(tools.spec)
    found = await asyncio.gather(*(_of(tools, host, unit, seconds) for host, unit in balancers))
    return tuple(line for lines in found for line in lines)


def _units(spec: Spec) -> list[tuple[str, str]]:
    names = [units.balancer(spec.name)]
    if spec.load_balancer.kind is Balancer.NGINX:
        names.append(units.watch(spec.name))
    found = [(host, unit) for host in spec.having(Role.LOAD_BALANCER) for unit in names]
    if spec.etcd_topology is EtcdTopology.EXTERNAL:
        found += [(host, units.ETCD_BALANCER) for host in spec.having(Role.CONTROL_PLANE)]
    return found


async def _of(tools: Tools, host: str, unit: str, seconds: float) -> list[str]:
    script = (
        f"journalctl -q --no-pager -o cat -u {unit} --since=-{math.ceil(seconds)}s"
        f" | grep -E '{EJECTED}' | sort -u || true"
    )
    log = await must(tools.transport(host), script, command=f"journalctl -u {unit}")
    return [f"{host}: {line}" for line in log.decode(errors="replace").splitlines()]
