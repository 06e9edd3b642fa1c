"""The drills' way inside, through a real sshd."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from contract_sshd import Sshd, running

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "drills"))

from drill_plain import NAME, Plain, plain_servers

from kanae.drills.launching.way import Forwarded
from kanae.drills.probing.client import Route
from kanae.drills.probing.plain import ask, lookup
from kanae.errors import CheckFailed


@pytest_asyncio.fixture
async def plain() -> AsyncIterator[Plain]:
    async with plain_servers() as servers:
        yield servers


async def outcome(route: Route) -> str:
    deadline = asyncio.get_running_loop().time() + 20
    return (await ask(route, lookup(NAME, 7), deadline)).outcome


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_what_is_asked_comes_out_at_the_other_end(
    sshd: Sshd, plain: Plain, elsewhere: bool
) -> None:
    nobody = Route("nobody", "127.0.0.1", 1, "nobody")
    prober = sshd.reach if elsewhere else None
    way = Forwarded("m1", (*plain.routes, nobody), sshd.reach, prober)
    async with way.open(pytest.fail) as (dns, _, closed):
        assert dns.port != plain.dns_port
        assert await asyncio.gather(*(outcome(dns) for _ in range(20))) == ["ok"] * 20
        # Whoever connects is let in by the forwarder; that nobody is there shows as an end.
        assert await outcome(closed) in ("eof", "reset")
        assert plain.names == [NAME] * 20
    assert await outcome(dns) in ("refused", "reset")


async def test_a_way_that_breaks_is_told_once(sshd: Sshd, plain: Plain) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    async with Forwarded("m1", plain.routes, sshd.reach).open(told.put_nowait) as (dns, _):
        assert await outcome(dns) == "ok"
        sshd.cut()
        async with asyncio.timeout(30):
            assert await told.get() == ("the way inside through m1 was lost: no connection to m1")
    assert told.empty()


@pytest.mark.parametrize(
    ("option", "elsewhere", "told"),
    [
        ("AllowTcpForwarding no", False, "no connection to 127.0.0.1:"),
        ("AllowTcpForwarding local", True, "m1: "),
        ("PermitOpen 127.0.0.1:1", False, "no connection to 127.0.0.1:"),
    ],
)
async def test_an_sshd_that_does_not_forward_is_told_before_anything_is_measured(
    tmp_path: Path, plain: Plain, option: str, elsewhere: bool, told: str
) -> None:
    with running(tmp_path, options=option) as sshd:
        way = Forwarded("m1", plain.routes, sshd.reach, sshd.reach if elsewhere else None)
        with pytest.raises(CheckFailed, match=f"no way inside through m1: {told}") as caught:
            async with way.open(pytest.fail):
                pytest.fail("it was opened")
    assert "AllowTcpForwarding" in caught.value.remedy
