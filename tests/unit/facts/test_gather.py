"""Asking many hosts: what fails on one stays with that one."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Sequence

from kanae.errors import ConnectionLost, StepTimedOut
from kanae.facts.gather import gather
from kanae.facts.model import Query
from kanae.transport.protocol import Completed, Upload


class Host:
    """Answers by a function of the script; counts how often and how many at once it was asked."""

    now = 0
    most = 0

    def __init__(self, host: str, answer: Callable[[str], bytes]) -> None:
        self._host = host
        self._answer = answer
        self.asked = 0

    @property
    def host(self) -> str:
        return self._host

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        self.asked += 1
        Host.now += 1
        Host.most = max(Host.most, Host.now)
        try:
            await asyncio.sleep(0)
            return Completed(0, self._answer(script), "")
        finally:
            Host.now -= 1

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        raise AssertionError("facts write nothing")

    async def close(self) -> None: ...


def _real(script: str) -> bytes:
    return subprocess.run(["/bin/sh", "-c", script], capture_output=True).stdout


async def test_hosts_that_fail_are_unreachable_and_the_others_answer() -> None:
    def lost(_: str) -> bytes:
        raise ConnectionLost("c", "the connection broke")

    def slow(_: str) -> bytes:
        raise StepTimedOut("d", "no answer within 60 s")

    hosts = {
        "a": Host("a", _real),
        "b": Host("b", lambda _: b"Last login: yesterday\n"),
        "c": Host("c", lost),
        "d": Host("d", slow),
    }
    facts = await gather(hosts, dict.fromkeys(hosts, Query()))
    assert set(facts.hosts) == {"a"}
    assert set(facts.unreachable) == {"b", "c", "d"}
    assert "the connection broke" in facts.unreachable["c"].what
    assert hosts["b"].asked == 2  # nonsense is asked again, once
    assert hosts["c"].asked == 1


async def test_no_more_hosts_than_allowed_are_asked_at_once() -> None:
    hosts = {str(n): Host(str(n), lambda _: b"") for n in range(20)}
    hosts["0"] = Host("0", _real)
    Host.most = 0
    await gather(hosts, dict.fromkeys(hosts, Query()), parallel=3)
    assert Host.most == 3
