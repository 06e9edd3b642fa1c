"""The gate before an apply: scripts are run for real by this machine's /bin/sh."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import cast

import pytest

from kanae.errors import CheckFailed, ConnectError
from kanae.facts.model import Facts, HostFacts
from kanae.plan.hosts import TYPICAL
from kanae.spec.models import Spec
from kanae.transport.fleet import Fleet
from kanae.transport.protocol import Completed, Upload
from kanae.verify.checks import CHECKS
from kanae.verify.gate import inspect, newcomers, require

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SPEC = Spec.model_validate(
    {
        "name": "demo",
        "kubernetes": "v1.37.2",
        "hosts": {
            # An address of the network for documentation: this machine does not have it.
            "m1": {"address": "203.0.113.77", "roles": ["control-plane", "worker"]},
            "w1": {"address": "203.0.113.78", "roles": ["worker"]},
        },
    }
)


class Here:
    """A transport that runs everything on this machine."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.ran: list[str] = []

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        self.ran.append(script)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", script, stdout=pipe, stderr=pipe
        )
        output, errors = await process.communicate()
        return Completed(process.returncode or 0, output, errors.decode())

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        raise AssertionError("checks write no files")

    async def close(self) -> None: ...


class Hosts:
    """What the gate uses of a Fleet: m1 is here, w1 cannot be reached. leaving: hosts that are not
    in the spec any more, and are connected all the same."""

    def __init__(self, *leaving: str) -> None:
        self.m1 = Here("m1")
        self.leaving = leaving
        self.unreachable = {"w1": ConnectError("w1", "no route to host")}

    def __iter__(self) -> Iterator[str]:
        yield from ("m1", *self.leaving)

    def __getitem__(self, host: str) -> Here:
        assert host == "m1"
        return self.m1


def _facts(marks: dict[str, str]) -> Facts:
    return Facts({"m1": HostFacts("m1", NOW, TYPICAL, marks=marks)})


async def test_a_host_that_is_leaving_is_asked_nothing_when_another_comes() -> None:
    subject = await inspect(SPEC, cast("Fleet", Hosts("m0")))
    assert set(subject.facts.hosts) == {"m1"}


def test_newcomers_are_nodes_that_have_not_joined() -> None:
    assert newcomers(SPEC, _facts({})) == ("m1",)
    assert newcomers(SPEC, _facts({"cluster": "demo"})) == ("m1",)
    assert newcomers(SPEC, _facts({"cluster": "demo", "joined": "x"})) == ()


async def test_all_errors_of_newcomers_stop_an_apply_at_once() -> None:
    hosts = Hosts()
    with pytest.raises(CheckFailed) as caught:
        await require(SPEC, _facts({}), cast("Fleet", hosts), [])
    assert caught.value.exit_code == 4
    assert "no interface has 203.0.113.77 [address]" in caught.value.message
    assert "--ignore" in caught.value.remedy


async def test_ignored_checks_let_it_pass() -> None:
    await require(SPEC, _facts({}), cast("Fleet", Hosts()), [check.id for check in CHECKS])


async def test_a_cluster_without_newcomers_is_not_asked_again() -> None:
    hosts = Hosts()
    await require(SPEC, _facts({"cluster": "demo", "joined": "x"}), cast("Fleet", hosts), [])
    assert hosts.m1.ran == []


async def test_inspection_probes_newcomers_and_names_hosts_that_cannot_be_reached() -> None:
    subject = await inspect(SPEC, cast("Fleet", Hosts()))
    assert subject.probes["m1"].writes
    assert "no route to host" in subject.facts.unreachable["w1"].what
