"""Faults that destroy: what their scripts do in a real shell, and what they are refused for."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pytest
from drill_local import LocalTransport
from test_safety import spec_of

from kanae.drills.cluster.power import BmcPower, PowerCommand
from kanae.drills.faults import loss, processes
from kanae.drills.faults.build import build
from kanae.drills.faults.power import EachHost
from kanae.drills.faults.protocol import FaultPlan, Sign, Tools
from kanae.drills.running import recovery_record, run_folder
from kanae.drills.running.recovery import recover
from kanae.drills.running.recovery_record import RecoveryRecord
from kanae.errors import CheckFailed, Refused, StepFailed
from kanae.spec.models import Spec
from kanae.transport.protocol import Completed


@pytest.fixture(autouse=True)
def nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of this machine is the cluster's."""
    monkeypatch.setattr(processes, "CGROUPS", {"etcd": ("*/kanae-test-of-losses*",)})


def with_data(spec: Spec, folder: Path) -> Spec:
    etcd = spec.etcd.model_copy(update={"data_dir": PurePosixPath(folder)})
    return spec.model_copy(update={"etcd": etcd})


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Its members' data is in this test's folder."""
    (tmp_path / "etcd/member/snap").mkdir(parents=True)
    (tmp_path / "etcd/kanae-before-x").mkdir()
    return with_data(spec_of(external=True), tmp_path / "etcd")


def in_shell(script: str, programs: Path) -> subprocess.CompletedProcess[str]:
    path = f"{programs}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=False
    )


def test_a_member_ends_before_its_data_goes_and_nothing_else_does(
    spec: Spec, tmp_path: Path
) -> None:
    programs, log = tmp_path / "bin", tmp_path / "log"
    programs.mkdir()
    fake = programs / "systemctl"
    fake.write_text(f'#!/bin/sh\necho "$* $(ls {tmp_path}/etcd)" | tr "\\n" " " >>{log}\n')
    fake.chmod(0o755)
    done = in_shell(loss.wiped(spec), programs)
    assert done.returncode == 0, done.stderr
    said = log.read_text()
    assert said.index("kill --signal KILL etcd") < said.index("disable --quiet --now etcd")
    # It was there until both had been done.
    assert said.count("member") == 2
    assert [each.name for each in (tmp_path / "etcd").iterdir()] == ["kanae-before-x"]


def test_a_stacked_member_is_kept_from_starting_again_before_it_is_killed() -> None:
    script = loss.wiped(spec_of())
    order = [script.index(words) for words in ("mv -fT", "kill -KILL", "rm -rf")]
    assert order == sorted(order)
    checked = subprocess.run(["sh", "-n", "-c", script], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


async def test_data_that_is_still_there_is_seen(spec: Spec, tmp_path: Path) -> None:
    tools = Tools(spec, BmcPower(spec), lambda _: LocalTransport())
    fault = build(FaultPlan("wipe", ("e1",), 1), tools)
    fault.check_safe()
    await fault.prepare()
    [sign] = await fault.signs()
    assert not sign.took
    assert "member is there" in sign.detail
    (tmp_path / "etcd/member/snap").rmdir()
    (tmp_path / "etcd/member").rmdir()
    [sign] = await fault.signs()
    assert sign.took, sign.detail
    with pytest.raises(StepFailed, match="find etcd's data"):
        await fault.prepare()


@dataclass
class Machines(BmcPower):
    """That can be exchanged; what is done to them, in order."""

    log: list[str] = field(default_factory=list[str])

    def can(self, host: str) -> frozenset[PowerCommand]:
        return frozenset(PowerCommand)

    async def cut(self, host: str) -> None:
        self.log.append(f"cut {host}")

    async def blank(self, host: str) -> None:
        self.log.append(f"blank {host}")

    async def on(self, host: str) -> None:
        self.log.append(f"on {host}")


async def test_hosts_are_all_dead_before_the_first_blank_one_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = spec_of()
    power = Machines()
    silent = (Sign("silence", "m1", True, "silent"),)

    async def silences(self: EachHost, within: float) -> tuple[Sign, ...]:
        power.log.append("look")
        return silent

    @dataclass
    class Host(LocalTransport):
        async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
            number = sum(each.startswith("blank") for each in power.log)
            return Completed(0, f"machine{number}\n".encode(), "")

    monkeypatch.setattr(EachHost, "silences", silences)
    fault = build(FaultPlan("blank", ("m1", "m2"), 1), Tools(spec, power, lambda _: Host()))
    fault.check_safe()
    await fault.prepare()
    await fault.inject()
    assert power.log == ["cut m1", "cut m2", "look", "blank m1", "blank m2"]
    assert await fault.signs() == silent
    assert [(sign.name, sign.took) for sign in await fault.signs_after()] == [
        ("another machine", True)
    ] * 2
    await fault.undo()
    assert power.log[-2:] == ["on m1", "on m2"]


def test_only_a_lab_has_blank_machines() -> None:
    spec = spec_of()
    tools = Tools(spec, BmcPower(spec), lambda _: LocalTransport())
    with pytest.raises(Refused, match="a blank machine in the place of m1"):
        build(FaultPlan("blank", ("m1",), 1), tools).check_safe()


async def test_what_is_left_to_do_names_the_backup_that_the_run_has_made(tmp_path: Path) -> None:
    spec = spec_of()
    tools = Tools(spec, BmcPower(spec), lambda _: LocalTransport())
    plan = FaultPlan("wipe", ("m1", "m2", "m3"), 1)
    recovery_record.write(tmp_path, RecoveryRecord("r1", "etcd-loss", "c", plan, ("ns",), 1, "0"))
    with pytest.raises(CheckFailed) as nothing:
        await recover(tmp_path, tools, None)
    assert "restore" not in nothing.value.remedy
    (tmp_path / run_folder.BACKUPS).mkdir()
    backup = tmp_path / run_folder.BACKUPS / "c.tar.age"
    backup.touch()
    with pytest.raises(CheckFailed) as made:
        await recover(tmp_path, tools, None)
    assert f"kanae restore SPEC --from {backup}" in made.value.remedy
    assert "kanae drill recover SPEC" in made.value.remedy
    assert recovery_record.kept(tmp_path)
