"""Looking from inside: from where, what is asked there, and how its answers are taken."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
import pytest_asyncio
from drill_api_server import ApiServer
from drill_bench import Bench
from drill_plain import NAME, Plain, plain_servers

from kanae.drills.judging.checker import check
from kanae.drills.judging.verdict import Result
from kanae.drills.launching.forwarder import Forwards
from kanae.drills.launching.way import Direct, Forwarded
from kanae.drills.probing.client import Route
from kanae.drills.probing.lanes import Attempt
from kanae.drills.probing.plain import ask, lookup, ping
from kanae.drills.probing.workload import Load
from kanae.drills.records import CONTROL, DNS, ENDPOINT, INSIDE
from kanae.drills.scenarios.inside import choose, ends
from kanae.errors import CheckFailed, Refused
from kanae.spec.load import loads
from kanae.spec.models import Spec
from kanae.transport.settings import Reach

SPEC = """
name: c
kubernetes: v1.37.2
networks: {services: 10.100.0.0/16, dnsDomain: example.test}
loadBalancer: {kind: haproxy}
hosts:
  lb: {address: 10.0.0.9, roles: [load-balancer]}
  m1: {address: 10.0.0.10, roles: [control-plane]}
  w1: {address: 10.0.0.20, roles: [worker]}
  w2: {address: 10.0.0.21, roles: [worker]}
"""


@pytest.fixture
def spec() -> Spec:
    return loads(SPEC, "c.yaml")


@pytest_asyncio.fixture
async def plain() -> AsyncIterator[Plain]:
    async with plain_servers() as servers:
        yield servers


def straight(host: str) -> Sequence[str]:
    """No host is behind another."""
    return ()


def test_a_worker_is_looked_from_that_the_fault_leaves_alone(spec: Spec) -> None:
    assert choose(spec, ("m1",), straight) == "w1"
    assert choose(spec, ("w1",), straight) == "w2"
    assert choose(spec, ("w1", "w2"), straight) == "m1"
    assert choose(spec, tuple(spec.hosts), straight) is None
    # The way to w1 goes through m1.
    assert choose(spec, ("m1",), lambda host: ("m1",) if host == "w1" else ()) == "w2"


def test_who_probes_from_a_node_looks_from_there(spec: Spec) -> None:
    assert choose(spec, ("m1",), straight, prober="w2") == "w2"
    assert choose(spec, ("m1",), straight, prober="lb") == "w1"
    assert choose(spec, ("m1",), straight, named="w1", prober="w2") == "w1"


def test_a_host_that_cannot_be_looked_from_is_refused(spec: Spec) -> None:
    with pytest.raises(Refused, match="m1 cannot be looked from"):
        choose(spec, ("m1",), straight, named="m1")
    with pytest.raises(Refused, match="w1 cannot be looked from"):
        choose(spec, ("m1",), lambda host: ("m1",), named="w1")
    with pytest.raises(Refused, match="lb is no node"):
        choose(spec, ("m1",), straight, named="lb")


def test_the_services_are_asked_by_the_addresses_that_the_spec_gives_them(spec: Spec) -> None:
    assert ends(spec) == (
        Route(INSIDE, "10.100.0.1", 443, "10.100.0.1"),
        Route(DNS, "10.100.0.10", 53, "kubernetes.default.svc.example.test"),
        Route(CONTROL, "127.0.0.1", 10248, "127.0.0.1"),
    )


def test_the_workload_asks_inside_in_every_way(spec: Spec) -> None:
    endpoint = Route(ENDPOINT, "10.0.0.9", 6443, "10.0.0.9")
    streams = Load(direct=False).streams((endpoint, *ends(spec)))
    inside = [s for s in streams if s.route != ENDPOINT]
    assert {(s.route, s.connection, s.kind) for s in inside} == {
        *((INSIDE, c, k) for c in ("new", "kept", "serial") for k in ("read", "write")),
        (INSIDE, "serial", "watch"), (DNS, "new", "lookup"), (CONTROL, "new", "ping"),
    }  # fmt: skip
    opened = sum(1 / s.period for s in inside if (s.route, s.connection) == (INSIDE, "new"))
    assert opened == pytest.approx(10)


async def asked(route: Route, name: str = NAME, within: float = 5.0) -> Attempt:
    question = lookup(name, 7) if route.name == DNS else ping(route)
    return await ask(route, question, asyncio.get_running_loop().time() + within)


async def test_a_name_is_asked_of_the_dns(plain: Plain) -> None:
    route, _ = plain.routes
    attempt = await asked(route)
    assert (attempt.outcome, plain.names) == ("ok", [NAME])
    assert attempt.port > 0
    for field, value, told in (
        ("code", 3, "DNS code 3"), ("answers", 0, "0 answers"), ("shift", 1, "no answer to"),
    ):  # fmt: skip
        setattr(plain, field, value)
        attempt = await asked(route)
        assert attempt.outcome == "malformed"
        assert told in attempt.detail
        setattr(plain, field, {"code": 0, "answers": 1, "shift": 0}[field])
    assert (await asked(replace(route, port=1))).outcome == "refused"


async def test_whatever_a_kubelet_says_of_itself_it_has_answered(plain: Plain) -> None:
    _, route = plain.routes
    plain.health = b"HTTP/1.1 500 Internal Server Error\r\n"
    assert (await asked(route)).outcome == "ok"
    plain.health = b"something else\r\n"
    assert (await asked(route)).outcome == "malformed"
    plain.health = b""
    assert (await asked(route)).outcome == "eof"


async def test_a_dns_that_accepts_and_says_nothing_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        route = Route(DNS, "127.0.0.1", silent.getsockname()[1], NAME)
        attempt = await asked(route, within=0.2)
    assert attempt.outcome == "timeout"


async def nothing() -> None:
    """The fault of a run without one."""


async def test_a_run_looks_from_inside_and_reads_back_there(
    bench: Bench, server: ApiServer, plain: Plain
) -> None:
    inside = Route(INSIDE, "127.0.0.1", server.port, "127.0.0.1")
    bench.further = (inside, *plain.routes)
    run = await bench.run(nothing)
    verdict = check(run)
    assert verdict.result is Result.PASSED, verdict.reasons
    assert {back.route for back in run.read_backs} == {ENDPOINT, INSIDE}
    assert {watch.route for watch in verdict.watches} == {ENDPOINT, INSIDE}
    for figures in verdict.streams:
        assert sum(window.sent for window in figures.windows), figures.stream.name
    assert set(plain.names) == {NAME}


async def test_a_prober_on_the_node_itself_needs_no_way(spec: Spec) -> None:
    way = Direct("w1", ends(spec))
    async with way.open(pytest.fail) as routes:
        assert routes == way.ends


async def test_a_node_that_cannot_be_reached_is_no_way(spec: Spec) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    reach = Reach("w1", "127.0.0.1", "127.0.0.1", user="nobody", port=port, connect_timeout=5.0)
    with pytest.raises(CheckFailed, match="no way inside through w1: ") as caught:
        async with Forwarded("w1", ends(spec), reach).open(pytest.fail):
            pytest.fail("it was opened")
    assert "127.0.0.1" in caught.value.message
    assert "--inside none" in caught.value.remedy


def test_what_the_forwarder_is_told_holds_no_line_end() -> None:
    reach = Reach("w1", "10.0.0.20", "w1", user="root")
    assert b"\n" not in Forwards(reach, (("10.96.0.1", 443),), reach).encode()
