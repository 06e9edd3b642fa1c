"""Whole runs against a simulated cluster on loopback, with a prober in its own process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from drill_cluster import Cluster, routes_of
from drill_plain import plain_servers
from drill_setting import setting_of

from kanae.drills.cluster.kube import Kube
from kanae.drills.faults import power as power_faults
from kanae.drills.faults.protocol import Tools
from kanae.drills.judging.verdict import Result
from kanae.drills.launching.place import Here
from kanae.drills.launching.way import Direct
from kanae.drills.probing.client import Route
from kanae.drills.records import INSIDE
from kanae.drills.running import recovery_record, run_folder
from kanae.drills.running.orchestrator import Orchestrator
from kanae.drills.running.recovery import recover
from kanae.spec.models import Role
from kanae.transport.conversation import Conversation


async def until(condition: Callable[[], bool], within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    # On loopback a host that is off refuses; only a real one can be silent.
    monkeypatch.setattr(power_faults, "SILENT", frozenset(power_faults.Answer) - {"greets"})
    monkeypatch.setattr(power_faults, "SILENT_SECONDS", 2.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


async def test_a_power_cut_behind_a_living_endpoint_passes(cluster: Cluster, folder: Path) -> None:
    limits = {"any.any.gap": 0.0, "heal.node": 20.0}
    setting = await setting_of(
        cluster.spec(), cluster.power, cluster.transport, folder, limits=limits
    )
    setting = replace(setting, leader_limits={"any.any.gap": 5.0})
    verdict = await Orchestrator(setting).run()
    assert verdict.result is Result.PASSED, verdict.reasons
    assert cluster.boots["m3"] == 2
    # m3's member led until then.
    assert verdict.took_leader
    assert {judgement.metric: judgement.limit for judgement in verdict.judgements} == {
        "any.any.gap": 5.0,
        "heal.node": 20.0,
    }
    assert set(verdict.heals) == {"host", "node", "redundancy"}
    direct = next(s for s in verdict.streams if s.stream.name == "m3 new read")
    assert direct.failed >= 1
    assert not (folder / recovery_record.RECORD).exists()
    assert (folder / "history.jsonl.gz").exists()
    assert json.loads((folder / run_folder.VERDICT).read_text())["result"] == "passed"


async def test_a_run_looks_from_inside_and_is_void_when_the_way_is_lost(
    cluster: Cluster, folder: Path
) -> None:
    @dataclass(frozen=True)
    class Breaking(Direct):
        @asynccontextmanager
        async def open(self, lost: Callable[[str], None]) -> AsyncGenerator[tuple[Route, ...]]:
            async with super().open(lost) as routes:
                yield routes
                lost("the way inside through m1 was lost: planted")

    async with plain_servers() as plain:
        api = Route(INSIDE, "127.0.0.11", cluster.api_port, "127.0.0.11")
        way = Breaking("m1", (api, *plain.routes))
        setting = await setting_of(
            cluster.spec(), cluster.power, cluster.transport, folder,
            limits={"inside.new.any.failed": 0.0, "dns.failed": 0.0},
        )  # fmt: skip
        verdict = await Orchestrator(replace(setting, way=way)).run()
    assert verdict.result is Result.VOID
    assert verdict.reasons == ("the way inside through m1 was lost: planted",)
    assert [judgement.value for judgement in verdict.judgements] == [0, 0]
    assert verdict.inside == "m1"


async def test_when_the_only_balancer_is_cut_only_the_healing_is_judged(
    cluster: Cluster, folder: Path
) -> None:
    never = {"any.any.gap": 0.0}
    setting = await setting_of(
        cluster.spec(), cluster.power, cluster.transport, folder, drill="balancer-cut",
        limits={**never, "heal.host": 20.0},
    )  # fmt: skip
    verdict = await Orchestrator(replace(setting, leader_limits=never)).run()
    assert verdict.result is Result.PASSED, verdict.reasons
    assert [judgement.metric for judgement in verdict.judgements] == ["heal.host"]
    assert verdict.single_balancer


async def test_a_cut_of_the_only_way_in_fails(cluster: Cluster, folder: Path) -> None:
    spec = cluster.spec("127.0.0.13")  # the endpoint is the host that dies: one master too few
    setting = await setting_of(
        spec, cluster.power, cluster.transport, folder, limits={"any.any.gap": 1.0}
    )
    verdict = await Orchestrator(setting).run()
    assert verdict.result is Result.FAILED
    assert verdict.writes.lost == ()


@pytest.mark.parametrize("logged", ["", "Server api/m1 is DOWN, reason: Layer4 timeout"])
async def test_a_calm_run_fails_when_a_balancer_took_a_server_out_of_use(
    cluster: Cluster, folder: Path, logged: str
) -> None:
    cluster.logs["m2"] = f"{logged}\n" if logged else ""
    spec = cluster.spec()
    both = spec.hosts["m2"].model_copy(update={"roles": [Role.CONTROL_PLANE, Role.LOAD_BALANCER]})
    spec = spec.model_copy(update={"hosts": {**spec.hosts, "m2": both}})
    setting = await setting_of(spec, cluster.power, cluster.transport, folder, drill="calm")
    calm = replace(setting.scenario, proof="all-in-use")
    verdict = await Orchestrator(replace(setting, scenario=calm, hosts=())).run()
    if logged:
        assert verdict.result is Result.FAILED
        assert verdict.reasons == (f"proof all-in-use failed: m2: {logged}",)
    else:
        assert verdict.result is Result.PASSED, verdict.reasons
        assert verdict.proofs["all-in-use"] is not None


async def test_a_fault_that_does_nothing_is_void(cluster: Cluster, folder: Path) -> None:
    cluster.power.stuck = True
    setting = await setting_of(cluster.spec(), cluster.power, cluster.transport, folder)
    verdict = await Orchestrator(setting).run()
    assert verdict.result is Result.VOID
    assert "did not take effect" in " ".join(verdict.reasons)


async def test_a_returning_host_is_measured(cluster: Cluster, folder: Path) -> None:
    setting = await setting_of(
        cluster.spec(), cluster.power, cluster.transport, folder, drill="return",
        limits={"any.any.failed": 0},
    )  # fmt: skip
    verdict = await Orchestrator(setting).run()
    assert verdict.result is Result.PASSED, verdict.reasons


async def test_an_interrupted_run_puts_everything_back(cluster: Cluster, folder: Path) -> None:
    setting = await setting_of(cluster.spec(), cluster.power, cluster.transport, folder, hold=60)
    task = asyncio.create_task(Orchestrator(setting).run())
    await until(lambda: cluster.power.is_off("m3"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not cluster.power.is_off("m3")
    assert not (folder / recovery_record.RECORD).exists()


async def test_a_run_that_loses_its_prober_is_void_and_puts_everything_back(
    cluster: Cluster, folder: Path
) -> None:
    @dataclass(frozen=True)
    class Doomed(Here):
        async def start(self, longest: float) -> Conversation:
            talk = await super().start(longest)
            asyncio.get_running_loop().create_task(doom(talk))
            return talk

    async def doom(talk: Conversation) -> None:
        await until(lambda: cluster.power.is_off("m3"))
        await talk.close()

    setting = await setting_of(
        cluster.spec(), cluster.power, cluster.transport, folder, hold=60, place=Doomed()
    )
    verdict = await Orchestrator(setting).run()
    assert verdict.result is Result.VOID
    assert "the prober was lost: it ended by itself" in verdict.reasons[0]
    assert not cluster.power.is_off("m3")
    assert not recovery_record.kept(folder)


async def test_what_a_killed_orchestrator_left_is_recovered(cluster: Cluster, folder: Path) -> None:
    spec = cluster.spec()
    host = cluster.transport("m1")
    words = ("admin.conf", "boot_id", "endpoint status", "endpoint hashkv")
    answers = {word: (await host.run(f"cat {word}")).stdout.decode() for word in words}
    given = {
        "spec": [cluster.api_port, cluster.ssh_port, "127.0.0.11"],
        "power": str(cluster.power.folder),
        "folder": str(folder),
        "answers": answers,
    }
    script = Path(__file__).with_name("drill_orchestrate.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), stdin=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(given).encode())
    process.stdin.close()
    await until(lambda: cluster.power.is_off("m3"))
    left = recovery_record.read(folder)
    assert recovery_record.running(left)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    assert not recovery_record.running(left)
    assert cluster.power.is_off("m3")

    kube = Kube.of(routes_of(spec), cluster.authority.credentials())
    await recover(folder, Tools(spec, cluster.power, cluster.transport), kube)
    assert not cluster.power.is_off("m3")
    assert not (folder / recovery_record.RECORD).exists()
    # The prober has noticed by itself that nobody is left, and has ended its workload.
    await until(lambda: b'"read-back"' in (folder / "history.jsonl").read_bytes())
