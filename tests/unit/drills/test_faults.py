"""Faults against real processes of this machine, and the scripts and rules they send."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from drill_local import LocalTransport
from test_safety import spec_of

from kanae.drills.cluster.power import BmcPower, Direction, PowerCommand
from kanae.drills.faults.build import build
from kanae.drills.faults.network import TABLE, rules
from kanae.drills.faults.power import boot_id
from kanae.drills.faults.protocol import FaultPlan, Tools
from kanae.errors import ConnectionLost, HostError, Refused, StepFailed
from kanae.spec.host import Power
from kanae.spec.models import Spec
from kanae.transport.protocol import Completed, Upload

NAME = "kanae-victim"


@pytest_asyncio.fixture
async def victim(tmp_path: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A process with a name that nothing else has."""
    program = tmp_path / NAME
    shutil.copy("/bin/sleep", program)
    process = subprocess.Popen([str(program), "300"])  # noqa: ASYNC220
    yield process
    process.kill()
    process.wait()


def tools(spec: Spec) -> Tools:
    return Tools(spec, BmcPower(spec), lambda host: LocalTransport())


async def gone(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_kill_hits_exactly_the_named_process(victim: subprocess.Popen[bytes]) -> None:
    fault = build(FaultPlan("kill", ("m1",), 1, process=NAME), tools(spec_of()))
    await fault.prepare()
    await fault.inject()
    await gone(victim, lambda: victim.poll() is not None)
    assert victim.returncode == -9
    signs = await fault.signs()
    assert [sign.took for sign in signs] == [True]
    assert f"pid {victim.pid}" in signs[0].detail


async def test_a_part_of_a_name_kills_nothing(victim: subprocess.Popen[bytes]) -> None:
    fault = build(FaultPlan("kill", ("m1",), 1, process=NAME[:-2]), tools(spec_of()))
    with pytest.raises(HostError, match="no process"):
        await fault.prepare()
    assert victim.poll() is None


@pytest.mark.parametrize("direction", list(Direction))
def test_partition_rules_keep_ssh_open_and_name_one_table(direction: Direction) -> None:
    text = rules(direction, 2222)
    assert text.count("table inet") == 1
    assert f"table inet {TABLE}" in text
    assert ("hook input" in text) == (direction is not Direction.OUT)
    assert ("hook output" in text) == (direction is not Direction.IN)
    for line in text.splitlines():
        if "hook input" in line or "hook output" in line:
            assert "2222 accept" in line
            assert line.index("accept") < line.index("drop")


def with_power(off: str | None, on: str) -> Spec:
    spec = spec_of()
    power = Power(off=None if off is None else [off], on=[on])
    hosts = {**spec.hosts, "m1": spec.hosts["m1"].model_copy(update={"power": power})}
    return spec.model_copy(update={"hosts": hosts})


async def test_a_bmc_command_is_run_and_its_failure_told_without_arguments(tmp_path: Path) -> None:
    spec = with_power("false", "true")
    power = BmcPower(spec)
    assert power.can("m1") == {PowerCommand.ON, PowerCommand.CUT}
    assert power.can("m2") == frozenset()
    await power.on("m1")
    with pytest.raises(StepFailed, match="'false' ended with status 1"):
        await power.cut("m1")
    with pytest.raises(HostError, match="nothing is known"):
        await power.cut("m2")


def test_a_host_that_nothing_can_power_on_cannot_return() -> None:
    fault = build(FaultPlan("return", ("m2",), 1), tools(spec_of()))
    with pytest.raises(Refused, match="power m2 on"):
        fault.check_safe()


class Answering:
    """A host on which every command succeeds, but that the first ones lose the connection.

    answers: of the first commands that do not; all later ones say "boot" and "42".
    """

    host = "m1"

    def __init__(self, losses: int = 0, answers: Sequence[bytes] = ()) -> None:
        self.losses = losses
        self.answers = list(answers)
        self.scripts: list[str] = []

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        self.scripts.append(script)
        if self.losses:
            self.losses -= 1
            raise ConnectionLost(self.host, "the connection was lost while a command ran")
        return Completed(0, self.answers.pop(0) if self.answers else b"boot\n42\n", "")

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        raise AssertionError(f"nothing is uploaded here: {uploads}")

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_partition_is_proven_by_the_first_packets_that_it_drops() -> None:
    host = Answering(answers=[b"0\n0\n0\n", b"0\n0\n0\n", b"2\n1\n0\n"])
    spec = spec_of()
    tools = Tools(spec, BmcPower(spec), lambda _: host)
    signs = await build(FaultPlan("partition", ("m1",), 1), tools).signs()
    assert [(sign.took, sign.detail) for sign in signs] == [(True, "3 packets")]


async def test_the_kernel_of_a_container_is_not_reset() -> None:
    spec = spec_of()
    host = Answering()
    fault = build(FaultPlan("cut", ("m1",), 1), Tools(spec, BmcPower(spec), lambda _: host))
    with pytest.raises(Refused, match="m1 is a container"):
        await fault.prepare()
    assert not any("sysrq" in script for script in host.scripts)


async def test_a_container_with_power_of_its_own_is_cut_by_that() -> None:
    spec = with_power("true", "true")
    host = Answering()
    fault = build(FaultPlan("cut", ("m1",), 1), Tools(spec, BmcPower(spec), lambda _: host))
    await fault.prepare()
    await fault.inject()
    assert not any("sysrq" in script for script in host.scripts)


async def test_a_boot_is_read_again_over_a_new_connection() -> None:
    spec = spec_of()

    async def read(losses: int) -> str:
        host = Answering(losses)
        return await boot_id(Tools(spec, BmcPower(spec), lambda _: host), "m1")

    assert await read(1) == "boot 42"
    with pytest.raises(ConnectionLost):
        await read(2)
