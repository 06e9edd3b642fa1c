"""Waiting until what a fault broke is whole again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from kanae.drills.cluster import reach
from kanae.drills.cluster.etcd import Etcd
from kanae.drills.cluster.kube import Kube
from kanae.drills.cluster.reach import Answer
from kanae.drills.faults.protocol import Tools
from kanae.drills.probing.client import RequestFailed
from kanae.facts.nodes import readiness
from kanae.spec.models import Role

_POLL = 0.5
# For an API that may be away: what was broken is not to stay so for longer than it was meant to.
_PATIENCE = 2.0


class Healing:
    """Looks from outside at hosts, nodes and redundancy. Every look returns what is missing."""

    def __init__(self, tools: Tools, kube: Kube, etcd: Etcd, hosts: Sequence[str]) -> None:
        self._tools = tools
        self._kube = kube
        self._etcd = etcd
        self._hosts = tuple(hosts)
        self._beats: dict[str, str] = {}

    async def remember_heartbeats(self) -> None:
        """Call when the hosts are away: later heartbeats show that their kubelets live again. Where
        the API is away too, those from before it went stay: its last known ones are no new ones.
        """
        with contextlib.suppress(RequestFailed):
            self._beats = await self._kube.heartbeats(timeout=_PATIENCE)

    async def hosts_missing(self) -> list[str]:
        found: list[str] = []
        for host in self._hosts:
            answer = await reach.ask(*self._tools.ssh(host))
            if answer is not Answer.GREETS:
                found.append(f"sshd on {host} {answer}")
        return found

    async def api_missing(self) -> list[str]:
        """It answers through the endpoint what takes a quorum of etcd to know."""
        await self._kube.get("/api/v1/namespaces/kube-system", timeout=_PATIENCE)
        return []

    async def nodes_missing(self) -> list[str]:
        """A Node may still be called ready for half a minute after its host died: its kubelet must
        have renewed its Lease since. One that is older than what was seen comes of a restore.
        """
        nodes, beats = await self._kube.nodes(), await self._kube.heartbeats()
        wanted = [host for host in self._hosts if host in self._tools.spec.nodes]
        found = [f"node {h} is not ready" for h in wanted if not readiness(nodes.get(h)).ready]
        found += [
            f"the kubelet of {host} has not spoken yet"
            for host in wanted
            # RFC 3339 in UTC, to the microsecond: in order as text.
            if beats.get(host, "") <= self._beats.get(host, "")
        ]
        return found

    async def redundancy_missing(self) -> list[str]:
        """All API servers ready, all etcd members there with one leader, all nodes ready, all
        balancers accepting.
        """
        spec = self._tools.spec
        masters, balancers = spec.having(Role.CONTROL_PLANE), spec.having(Role.LOAD_BALANCER)
        ready = await asyncio.gather(*(self._kube.ready(host) for host in masters))
        found = [
            f"the API server on {host} is not ready"
            for host, good in zip(masters, ready, strict=True)
            if not good
        ]
        if found:
            return found  # asking the others now would only take long
        for host in balancers:
            address = str(spec.hosts[host].address)
            for port in spec.balanced_ports:
                answer = await reach.ask(address, port, 1.0)
                if answer not in (Answer.MUTE, Answer.GREETS):
                    found.append(f"the balancer on {host} {answer} (port {port})")
        nodes = await self._kube.nodes()
        found += [f"node {h} is not ready" for h in spec.nodes if not readiness(nodes.get(h)).ready]
        statuses = await self._etcd.statuses()
        for host in spec.etcd_hosts:
            status = statuses.get(host)
            if status is None:
                found.append(f"the etcd member on {host} does not answer")
            else:
                found += [f"etcd on {host}: {error}" for error in status.errors]
        leaders = {status.leader for status in statuses.values()}
        if len(leaders) != 1 or "" in leaders:
            found.append("etcd's members do not agree on a leader")
        return found

    async def until(self, look: Callable[[], Awaitable[list[str]]], end: float) -> list[str]:
        """Look until nothing is missing, or until the loop's clock is at `end`: then what is."""
        clock = asyncio.get_running_loop().time
        while True:
            try:
                missing = await look()
            except RequestFailed as error:
                missing = [f"the API does not answer: {error.detail}"]
            if not missing or clock() >= end:
                return missing
            await asyncio.sleep(_POLL)
