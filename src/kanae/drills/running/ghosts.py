"""Endpoints that kube-proxy still leads to though the API knows nothing of them.

After a restore without a raised revision it goes on with what it remembers, for hours
(kubernetes/kubernetes#107457).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address

from kanae.drills.cluster.kube import Kube
from kanae.drills.faults.protocol import Tools
from kanae.drills.probing import objects
from kanae.drills.probing.client import RequestFailed
from kanae.drills.probing.objects import Json
from kanae.errors import CheckFailed, HostError
from kanae.execute.scripts.proxies import led_to

SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
# kube-proxy gathers changes for a second, kubelet ends a pod that is no more within some.
_SECONDS = 60.0
_POLL = 1.0


def endpoints(slices: Iterable[Json]) -> frozenset[str]:
    """`ADDRESS:PORT` of all IPv4 endpoints, ready or not."""
    return frozenset(
        f"{address}:{port.get('port')}"
        for each in slices
        if each.get("addressType") == "IPv4"
        for port in each.get("ports") or ()
        for endpoint in each.get("endpoints") or ()
        for address in endpoint.get("addresses") or ()
    )


def programmed(text: str) -> frozenset[str]:
    """Of `execute.scripts.proxies.led_to`. Raises ValueError for a line that is no endpoint."""
    for line in text.split():
        address, _, port = line.rpartition(":")
        IPv4Address(address)
        int(port)
    return frozenset(text.split())


async def rules(tools: Tools) -> Mapping[str, frozenset[str]]:
    """node -> what its kube-proxy leads to. Raises CheckFailed where that cannot be read."""
    script = led_to(tools.spec.kube_proxy.mode)

    async def of(node: str) -> frozenset[str]:
        try:
            done = await tools.transport(node).run(script, timeout=15)
            text = done.stdout.decode(errors="replace")
            if done.status != 0:
                raise ValueError(text.strip()[-200:])
            return programmed(text)
        except (HostError, ValueError) as error:
            raise CheckFailed(
                f"the rules of kube-proxy on {node} cannot be read: {error}"
            ) from None

    nodes = tools.spec.nodes
    return dict(zip(nodes, await asyncio.gather(*map(of, nodes)), strict=True))


async def lead_to(tools: Tools, wanted: frozenset[str]) -> None:
    """Wait until every node's kube-proxy leads to these. Raises CheckFailed."""
    end = time.monotonic() + _SECONDS
    while True:
        lacking = [node for node, found in (await rules(tools)).items() if wanted - found]
        if not lacking:
            return
        if time.monotonic() > end:
            raise CheckFailed(
                f"kube-proxy on {', '.join(lacking)} does not lead to {', '.join(sorted(wanted))}"
            )
        await asyncio.sleep(_POLL)


async def ghosts(tools: Tools, kube: Kube) -> tuple[str, int]:
    """What is led to and no EndpointSlice knows, in words, once that has had time to go: nothing
    when all is well; and how many endpoints the API knows.
    """
    end = time.monotonic() + _SECONDS
    while True:
        try:
            known = endpoints(objects.items(await kube.get(SLICES)))
            found = await rules(tools)
        except (RequestFailed, CheckFailed) as error:
            left, known = str(error), frozenset[str]()
        else:
            left = "; ".join(
                f"kube-proxy on {node} leads to {', '.join(sorted(there - known))}"
                for node, there in found.items()
                if there - known
            )
        if not left or time.monotonic() > end:
            return left, len(known)
        await asyncio.sleep(_POLL)
