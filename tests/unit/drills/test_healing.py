"""When a host counts as back: what was seen of it before it went must not be taken for new."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from drill_local import LocalTransport
from test_safety import spec_of

from kanae.drills.cluster.etcd import Etcd
from kanae.drills.cluster.kube import Kube
from kanae.drills.cluster.power import BmcPower
from kanae.drills.faults.protocol import Tools
from kanae.drills.probing.client import RequestFailed
from kanae.drills.probing.objects import Json
from kanae.drills.running.healing import Healing


@dataclass(frozen=True, slots=True)
class Beating(Kube):
    """An API by which every node is ready. beats: what it says of m3's Lease; "": it is away."""

    beats: list[str] = field(default_factory=list[str])

    async def nodes(self) -> dict[str, Json]:
        return {"m3": {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}}

    async def heartbeats(self, *, timeout: float = 5.0) -> dict[str, str]:
        beat = self.beats.pop(0)
        if not beat:
            raise RequestFailed("refused", f"in {timeout:g} s")
        return {"m3": beat}


async def missing(before: list[str], after: str) -> list[str]:
    """Of m3, when its heartbeats were remembered so often, and one was seen after that."""
    spec = spec_of()
    kube = Beating({}, ssl.create_default_context(), [*before, after])
    tools = Tools(spec, BmcPower(spec), lambda _: LocalTransport())
    healing = Healing(tools, kube, Etcd(spec, tools.transport), ("m3",))
    for _ in before:
        await healing.remember_heartbeats()
    return await healing.nodes_missing()


async def test_a_kubelet_has_to_speak_again() -> None:
    assert await missing(["10:00", "10:04"], "10:04") == ["the kubelet of m3 has not spoken yet"]
    assert await missing(["10:00", "10:04"], "10:05") == []


async def test_what_was_said_before_the_api_went_away_too_is_no_sign_of_life() -> None:
    assert await missing(["10:00", ""], "10:00") == ["the kubelet of m3 has not spoken yet"]
    assert await missing(["10:00", ""], "10:05") == []
