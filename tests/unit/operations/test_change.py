"""The flow that all changes of a cluster share, without hosts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest

from kanae.artifacts.model import Artifact
from kanae.errors import ApiUnavailable, CheckFailed
from kanae.execute import lease
from kanae.facts.model import Facts
from kanae.layout import marks
from kanae.operations import carry_out, change
from kanae.operations.apply import Apply
from kanae.operations.change import Ending
from kanae.operations.project import Project
from kanae.operations.reset import Reset
from kanae.plan.model import Plan
from kanae.transport.fleet import Fleet, FleetError

from .desk import Desk, facts, project, steps

BOTH = facts("m1", "w1")


@dataclass
class Upgrade:
    """A procedure with the plans it makes, one after another."""

    desk: Desk
    plans: list[Plan]
    skips_unreachable: bool = False
    unfit: bool = False
    blind: list[Facts] = field(default_factory=list[Facts])
    had: list[Mapping[str, Artifact]] = field(default_factory=list[Mapping[str, Artifact]])
    delivers: ClassVar[bool] = True
    purpose: str = "an upgrade"

    def plan(self, project: Project, facts: Facts, artifacts: Mapping[str, Artifact]) -> Plan:
        self.desk.log.append("plan")
        self.had.append(artifacts)
        return self.plans.pop(0)

    def compared(self, project: Project, facts: Facts) -> bool:
        return facts not in self.blind

    async def gate(self, project: Project, facts: Facts, fleet: Fleet) -> None:
        self.desk.log.append("gate")
        if self.unfit:
            raise CheckFailed("unfit")

    def covers(self, agreed: Plan, now: Plan) -> bool:
        return agreed == now

    async def after(self, project: Project, fleet: Fleet) -> None:
        self.desk.log.append("after")


@dataclass
class Removal(Upgrade):
    delivers: ClassVar[bool] = False

    def covers(self, agreed: Plan, now: Plan) -> bool:
        return True


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Desk:
    made = Desk(surveys=[BOTH], answers=[True])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(change, "Fleet", made.fleet())
    monkeypatch.setattr(change, "survey", made.survey)
    monkeypatch.setattr(change, "obtain", lambda project, arches, progress: {"all": None})  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(lease, "hold", made.hold)
    monkeypatch.setattr(carry_out, "carry_out", made.carry_out)
    return made


async def test_each_thing_happens_in_its_turn(desk: Desk, tmp_path: Path) -> None:
    procedure = Upgrade(desk, [steps("fetch"), steps("deliver")])
    done = await change.change(project(tmp_path), procedure, desk)
    assert desk.log == [
        "connect", "survey", "plan", "gate", "obtain", "plan", "ask",
        "lease", "carry out deliver", "after", "release",
    ]  # fmt: skip
    assert (done.ending, done.plan, done.facts) == (Ending.DONE, steps("deliver"), BOTH)
    assert [list(had) for had in procedure.had] == [[], ["all"]]
    assert desk.shown == [steps("deliver")]


@pytest.mark.parametrize("answers", [True, False])
async def test_the_lease_is_on_hosts_that_are_leaving_too(
    desk: Desk, tmp_path: Path, answers: bool
) -> None:
    gone: list[dict[str, object]] = [
        {"name": "w9", "address": "192.0.2.9", "roles": ["worker"], "ssh": {}},
    ]
    told = facts("m1", "w1", marks={marks.CLUSTER: "demo\n", marks.HOSTS: json.dumps(gone)})
    there = {**told.hosts, "w9": told.hosts["w1"]} if answers else told.hosts
    desk.surveys[:] = [replace(told, hosts=there)]
    await change.change(project(tmp_path), Upgrade(desk, [steps("drain"), steps("drain")]), desk)
    assert desk.held == ({"m1", "w1", "w9"} if answers else {"m1", "w1"})


async def test_with_nothing_to_do_nobody_is_asked(desk: Desk, tmp_path: Path) -> None:
    done = await change.change(project(tmp_path), Upgrade(desk, [steps()]), desk)
    assert done.ending is Ending.NOTHING_TO_DO
    assert desk.log == ["connect", "survey", "plan"]


async def test_what_is_declined_takes_no_lease(desk: Desk, tmp_path: Path) -> None:
    desk.answers = [False]
    done = await change.change(project(tmp_path), Removal(desk, [steps("remove")]), desk)
    assert done.ending is Ending.DECLINED
    assert desk.log == ["connect", "survey", "plan", "gate", "ask"]


async def test_hosts_that_are_not_fit_are_said_before_anything_is_fetched_or_asked(
    desk: Desk, tmp_path: Path
) -> None:
    with pytest.raises(CheckFailed):
        await change.change(project(tmp_path), Upgrade(desk, [steps("a")], unfit=True), desk)
    assert desk.log == ["connect", "survey", "plan", "gate"]


async def test_a_lease_may_be_broken(desk: Desk, tmp_path: Path) -> None:
    await change.change(project(tmp_path), Removal(desk, [steps("a")]), desk, break_lease=True)
    assert "break lease" in desk.log


INHERITED = ["connect", "survey", "plan", "gate", "ask", "lease", "survey", "plan"]


async def test_after_an_earlier_run_the_same_plan_is_not_asked_about_again(
    desk: Desk, tmp_path: Path
) -> None:
    desk.inherited, desk.surveys = True, [BOTH, BOTH]
    procedure = Upgrade(desk, [steps("a"), steps("a"), steps("a")])
    await change.change(project(tmp_path), procedure, desk)
    assert desk.log[-5:] == ["survey", "plan", "carry out a", "after", "release"]
    assert list(procedure.had[-1]) == ["all"]


@pytest.mark.parametrize("agreed", [True, False])
async def test_what_is_left_of_an_earlier_run_is_asked_about(
    desk: Desk, tmp_path: Path, agreed: bool
) -> None:
    desk.inherited, desk.surveys, desk.answers = True, [BOTH, BOTH], [True, agreed]
    procedure = Upgrade(desk, [steps("a", "b"), steps("a", "b"), steps("b")])
    done = await change.change(project(tmp_path), procedure, desk)
    assert done.plan == desk.shown[-1] == steps("b")
    if agreed:
        assert desk.log[-4:] == ["ask again", "carry out b", "after", "release"]
        assert done.ending is Ending.DONE
    else:
        assert desk.log[-2:] == ["ask again", "release"]
        assert done.ending is Ending.DECLINED


async def test_a_procedure_may_cover_whatever_an_earlier_run_has_left(
    desk: Desk, tmp_path: Path
) -> None:
    desk.inherited, desk.surveys = True, [BOTH, facts("m1", "w1", marks={"x": "y"})]
    done = await change.change(project(tmp_path), Removal(desk, [steps("a"), steps("b")]), desk)
    assert desk.log == [*INHERITED, "carry out b", "after", "release"]
    assert done.facts.hosts["m1"].marks == {"x": "y"}


BLIND = facts("m1", "w1", marks={marks.JOINED: ""})


async def test_an_empty_plan_of_half_the_facts_waits_for_the_other_half(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "PAUSE", 0.0)
    desk.surveys = [BLIND, BLIND, BLIND, BOTH]
    procedure = Upgrade(desk, [steps(), steps("a"), steps("a")], blind=[BLIND])
    done = await change.change(project(tmp_path), procedure, desk)
    assert desk.log[:7] == ["connect", "survey", "plan", "wait", "survey", "survey", "survey"]
    assert (done.ending, done.plan, done.facts) == (Ending.DONE, steps("a"), BOTH)


async def test_what_cannot_be_compared_in_time_is_no_success(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "PATIENCE", 0.0)
    desk.surveys = [BLIND, BLIND]
    with pytest.raises(ApiUnavailable, match="could not be compared") as caught:
        await change.change(project(tmp_path), Upgrade(desk, [steps()], blind=[BLIND]), desk)
    assert caught.value.exit_code == 19
    assert "kanae status" in caught.value.remedy


async def test_after_a_plan_of_half_the_facts_the_other_half_is_planned_for(
    desk: Desk, tmp_path: Path
) -> None:
    """Such as a kubelet that is started, whose API server then tells of a label that is wrong."""
    desk.surveys, desk.answers = [BLIND, BOTH], [True, True]
    plans = [steps("start"), steps("start"), steps("label"), steps("label")]
    done = await change.change(project(tmp_path), Upgrade(desk, plans, blind=[BLIND]), desk)
    assert [entry for entry in desk.log if "carry" in entry] == [
        "carry out start",
        "carry out label",
    ]
    assert done.plan == steps("label")


async def test_with_nothing_left_in_the_other_half_the_plan_is_what_was_done(
    desk: Desk, tmp_path: Path
) -> None:
    desk.surveys = [BLIND, BOTH]
    plans = [steps("start"), steps("start"), steps()]
    done = await change.change(project(tmp_path), Upgrade(desk, plans, blind=[BLIND]), desk)
    assert (done.ending, done.plan) == (Ending.DONE, steps("start"))


async def test_a_cluster_that_never_answers_is_not_tried_for_ever(
    desk: Desk, tmp_path: Path
) -> None:
    desk.surveys, desk.answers = [BLIND] * 9, [True] * 9
    plans = [steps("start")] * 9
    with pytest.raises(ApiUnavailable):
        await change.change(project(tmp_path), Upgrade(desk, plans, blind=[BLIND]), desk)


def test_an_apply_compares_a_cluster_only_where_its_api_answers(tmp_path: Path) -> None:
    assert Apply().compared(project(tmp_path), BOTH)  # there is none yet
    assert not Apply().compared(project(tmp_path), BLIND)
    assert Reset().compared(project(tmp_path), BLIND)


async def test_hosts_that_cannot_be_reached_end_it_unless_they_are_skipped(
    desk: Desk, tmp_path: Path
) -> None:
    desk.surveys = [facts("m1"), facts("m1")]
    with pytest.raises(FleetError, match="w1: gone"):
        await change.change(project(tmp_path), Upgrade(desk, [steps("a")]), desk)
    assert desk.log == ["connect", "survey"]
    desk.log.clear()
    await change.change(
        project(tmp_path), Removal(desk, [steps("a")], skips_unreachable=True), desk
    )
    assert desk.log[0] == "connect, tolerant"
    assert desk.log[-1] == "release"


async def test_reset_takes_the_hosts_of_the_cluster_and_forgets_its_credentials(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    kept = tmp_path / "kanae/clusters/demo/kubeconfig"
    kept.parent.mkdir(parents=True)
    kept.write_text("secret")
    desk.surveys = [BOTH, facts("m1", marks={marks.CLUSTER: "demo"})]
    none = await change.change(project(tmp_path), Reset(), desk)
    assert none.ending is Ending.NOTHING_TO_DO
    assert kept.exists()
    done = await change.change(project(tmp_path), Reset(skips_unreachable=True), desk)
    assert {step.host for step in done.plan} == {"m1"}
    assert not kept.exists()


def test_who_agreed_to_a_reset_agreed_to_all_of_it_but_an_apply_is_as_shown() -> None:
    assert Reset().covers(steps("a"), steps("b"))
    assert Apply().covers(steps("a"), steps("a"))
    assert not Apply().covers(steps("a"), steps("b"))
