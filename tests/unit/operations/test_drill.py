"""What happens around drills before anything is broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from kanae.drills.faults.protocol import FaultPlan
from kanae.drills.probing.workload import Load
from kanae.drills.running import recovery_record, run_folder
from kanae.drills.running.recovery_record import RecoveryRecord
from kanae.drills.scenarios import safety
from kanae.drills.scenarios.catalogue import find
from kanae.errors import Refused, UsageError
from kanae.operations import drill
from kanae.operations.drill_order import DrillOrder
from kanae.operations.drill_recovery import recover_drills

from .desk import Desk, facts, project


@dataclass
class Console:
    """Says no. asked: about which hosts."""

    asked: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    said: list[str] = field(default_factory=list[str])

    def password(self) -> str | None:
        return None

    def say(self, line: str) -> None:
        self.said.append(line)

    async def decide(self, order: DrillOrder, hosts: Sequence[str]) -> bool:
        self.asked.append(tuple(hosts))
        return False


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Desk:
    made = Desk(surveys=[facts("m1", "w1")])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(drill, "Fleet", made.fleet())
    monkeypatch.setattr(drill, "survey", made.survey)
    monkeypatch.setattr(drill, "hold", made.hold)
    return made


def _whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster on which anything may be broken."""

    def nothing(*of: object) -> tuple[str, ...]:
        return ()

    monkeypatch.setattr(safety, "problems", nothing)
    monkeypatch.setattr(safety, "refusals", nothing)


async def test_who_declines_has_broken_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _whole(monkeypatch)
    console = Console()
    order = DrillOrder(find("power-cut"), Load(), target="m1", accept_outage=True)
    assert await drill.drill(project(tmp_path), order, console) is None
    assert console.asked == [("m1",)]
    assert desk.log == ["connect, tolerant", "survey"]


async def test_a_cluster_that_is_not_whole_is_not_asked_about(desk: Desk, tmp_path: Path) -> None:
    console = Console()
    order = DrillOrder(find("power-cut"), Load(), target="m1")
    with pytest.raises(Refused, match="the API server on m1 is not ready"):
        await drill.drill(project(tmp_path), order, console)
    assert not console.asked


async def test_more_requests_than_a_drill_needs_are_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _whole(monkeypatch)
    order = DrillOrder(find("power-cut"), Load(period=0.001), target="m1")
    with pytest.raises(UsageError, match="requests per second"):
        await drill.drill(project(tmp_path), order, Console())


async def test_a_node_that_the_fault_takes_is_not_looked_from(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _whole(monkeypatch)
    desk.surveys *= 3
    console = Console()
    order = DrillOrder(find("power-cut"), Load(), target="m1", inside="m1")
    with pytest.raises(Refused, match="m1 cannot be looked from"):
        await drill.drill(project(tmp_path), order, console)
    assert not console.asked
    # Of the other node there is no need to say anything; nor where nobody looks.
    for other in (replace(order, inside=None), replace(order, inside=None, look_inside=False)):
        assert await drill.drill(project(tmp_path), other, console) is None


async def test_a_node_that_a_later_run_takes_is_told_before_the_first_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _whole(monkeypatch)
    console = Console()

    def by_turns(*of: object) -> tuple[str, ...]:
        return ("m1",) if of[-1] == 1 else ("w1",)

    monkeypatch.setattr(safety, "choose", by_turns)
    order = DrillOrder(find("power-cut"), Load(), inside="m1", times=2)
    with pytest.raises(Refused, match="m1 cannot be looked from"):
        await drill.drill(project(tmp_path), order, console)
    assert not console.asked


async def test_hosts_are_left_alone_while_an_earlier_run_has_something_to_put_back(
    desk: Desk, tmp_path: Path
) -> None:
    folder = run_folder.drills_dir("demo") / "r1-power-cut"
    folder.mkdir(parents=True)
    plan = FaultPlan("cut", ("w1",), 30)
    going = RecoveryRecord("r1", "power-cut", "demo", plan, (), 1, recovery_record.process_start(1))
    recovery_record.write(folder, going)
    opened = project(tmp_path)
    with pytest.raises(Refused, match="r1-power-cut"):
        await drill.drill(opened, DrillOrder(find("power-cut"), Load()), Console())
    console = Console()
    with pytest.raises(Refused, match="r1 still runs"):
        await recover_drills(opened.spec, say=console.say, password=console.password)
    assert not desk.log
    recovery_record.settle(folder)
    assert await recover_drills(opened.spec, say=console.say, password=console.password) == 0
    assert not console.said


@pytest.mark.parametrize("name", ["etcd-loss", "quorum-loss", "all-masters-loss"])
async def test_data_is_not_destroyed_where_the_spec_does_not_say_that_it_may_be(
    name: str, desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _whole(monkeypatch)
    order = DrillOrder(find(name), Load(), accept_outage=True)
    with pytest.raises(Refused, match="destructiveDrills"):
        await drill.drill(project(tmp_path), order, Console())
    assert not desk.log, "no host was asked"


async def test_the_lease_is_given_up_while_somebody_restores_and_taken_back_afterwards(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _whole(monkeypatch)
    console = Agreeing()

    async def setting(self: object, hosts: object, facts: object, *more: Any) -> Any:
        return more[-1]

    async def repeat(times: int, prepare: Any) -> None:
        lent = await prepare(0)
        desk.log.append("run")
        async with lent():
            desk.log.append("restore")
        desk.log.append("go on")

    monkeypatch.setattr(drill._Drills, "_setting", setting)  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(drill, "repeat", repeat)
    order = DrillOrder(find("power-cut"), Load(), target="m1", accept_outage=True)
    await drill.drill(project(tmp_path), order, console)
    assert desk.log[2:] == [
        "lease", "run", "release", "restore", "lease", "go on", "release",
    ]  # fmt: skip


@dataclass
class Agreeing(Console):
    async def decide(self, order: DrillOrder, hosts: Sequence[str]) -> bool:
        return True
