"""The drills' prober on a host over a real sshd, with /usr/bin/python3 there."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from contract_sshd import Sshd

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "drills"))

from drill_api_server import ApiServer, Store
from drill_certificates import Authority
from drill_cluster import Cluster, FilePower
from drill_setting import setting_of

from kanae.drills.faults import power as power_faults
from kanae.drills.judging import history, thresholds
from kanae.drills.judging.verdict import Result
from kanae.drills.launching.place import There, find_python, mark
from kanae.drills.launching.process import ProberLost, ProberProcess
from kanae.drills.probing.client import Route
from kanae.drills.probing.workload import Load, ProbeConfig
from kanae.drills.probing.writing import Writer
from kanae.drills.records import Header, History
from kanae.drills.running import recovery_record
from kanae.drills.running.orchestrator import Orchestrator
from kanae.transport.protocol import Transport
from kanae.transport.ssh import SshTransport

RUN = "contract"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make()


@pytest.fixture(scope="module")
def context(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return authority.server_context(tmp_path_factory.mktemp("tls"))


@pytest_asyncio.fixture
async def server(context: ssl.SSLContext) -> AsyncIterator[ApiServer]:
    server = ApiServer(Store(), context)
    await server.start()
    yield server
    await server.stop()


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what other processes do sends no event
            await asyncio.sleep(0.02)


def processes(run: str = RUN) -> list[Path]:
    """Of a run's prober, as seen from outside of SSH: their folders in /proc."""
    found: list[Path] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"KANAE_RUN={mark(run)}".encode() in (folder / "environ").read_bytes():
                found.append(folder)
        except OSError:
            continue
    return found


def config_of(folder: Path, authority: Authority, server: ApiServer) -> ProbeConfig:
    route = Route("endpoint", "127.0.0.1", server.port, "127.0.0.1")
    return ProbeConfig(
        history=str(folder / "history.jsonl"),
        zero=time.monotonic(),
        namespace="drill",
        routes=(route,),
        streams=Load(period=0.05, kept=2, direct=False).streams([route]),
        credentials=authority.credentials(),
    )


def header_of(config: ProbeConfig) -> Header:
    validity = dict.fromkeys(thresholds.RECORDED, 1.0)
    return Header(
        "r",
        "test",
        "c",
        "",
        {},
        "haproxy",
        (),
        time.time(),
        config.streams,
        10.0,
        {},
        validity,
        "m1",
    )


async def measured(
    transport: SshTransport,
    config: ProbeConfig,
    server: ApiServer,
    python: str,
    meanwhile: Callable[[], None] = lambda: None,
) -> History:
    """A run without a fault, and what its prober sent home."""
    path = Path(config.history)
    writer = Writer(path)
    writer.write(header_of(config))
    async with ProberProcess(config, There(transport, RUN, python), writer) as prober:
        await until(lambda: server.requests > 100)
        meanwhile()
        await prober.finish()
    writer.close()
    return history.read(path)


async def test_its_records_come_home_and_nothing_is_left_there(
    transport: SshTransport, tmp_path: Path, authority: Authority, server: ApiServer
) -> None:
    config = config_of(tmp_path, authority, server)
    seen: list[str] = []

    def look() -> None:
        for folder in processes():
            for name in ("cmdline", "environ"):
                text = (folder / name).read_bytes()
                assert b"PRIVATE" not in text
                assert b"CERTIFICATE" not in text
            for link in (folder / "fd").iterdir():
                # Only pipes, sockets, epoll and files in memory are open: no file of a disk.
                target = str(link.readlink())
                assert not target.startswith("/") or target.startswith(("/memfd:", "/dev/")), target
            seen.append((folder / "comm").read_text().strip())

    python = await find_python(transport)
    run = await measured(transport, config, server, python, look)
    assert {"python3", "timeout"} <= set(seen)
    assert processes() == []
    assert {request.outcome for request in run.requests} == {"ok"}
    assert len(run.requests) > 60
    assert len(run.lags) > 0
    assert run.watch
    assert [back.error for back in run.read_backs] == [""]
    assert not run.torn
    keys = {request.key for request in run.requests if request.key}
    assert keys <= set(run.read_backs[0].keys)
    assert [clock.when for clock in run.clocks] == ["before", "after"]
    # The clock of one machine is its own: the truth is no offset at all.
    assert all(abs(clock.ahead) <= clock.bound for clock in run.clocks)
    assert all(clock.error < 0.02 for clock in run.clocks)


async def test_its_dates_are_in_the_operators_time_whatever_its_own_clock_says(
    transport: SshTransport, tmp_path: Path, authority: Authority, server: ApiServer
) -> None:
    config = config_of(tmp_path, authority, server)
    far = "unshare --time --monotonic 500000 --fork --kill-child python3"
    run = await measured(transport, config, server, far)
    end = time.monotonic() - config.zero
    assert all(clock.ahead == pytest.approx(500000, abs=1) for clock in run.clocks)
    assert all(clock.error < 0.02 for clock in run.clocks)
    assert all(0 < request.at < request.end < end for request in run.requests)
    before, after = run.clocks
    assert all(before.at < request.end for request in run.requests)
    assert min(request.at for request in run.requests) < after.at


@pytest_asyncio.fixture
async def cluster(
    tmp_path: Path, authority: Authority, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Cluster]:
    # On loopback a host that is off refuses; only a real one can be silent.
    monkeypatch.setattr(power_faults, "SILENT", frozenset(power_faults.Answer) - {"greets"})
    folder = tmp_path / "power"
    folder.mkdir()
    made = Cluster(tmp_path, authority, context, FilePower(folder))
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def reached(sshd: Sshd) -> AsyncIterator[SshTransport]:
    """As the simulated cluster's m2."""
    transport = sshd.transport(host="m2")
    yield transport
    await transport.close()


async def orchestrator_of(
    cluster: Cluster, reached: SshTransport, folder: Path, hold: float
) -> Orchestrator:
    """A power cut of m3, probed from m2, which alone is reached by a real sshd."""
    folder.mkdir()

    def transport(host: str) -> Transport:
        return reached if host == "m2" else cluster.transport(host)

    place = There(reached, "r1", await find_python(reached))
    setting = await setting_of(
        cluster.spec(), cluster.power, transport, folder, hold=hold, place=place
    )
    return Orchestrator(setting)


async def test_a_whole_run_is_probed_from_a_host(
    cluster: Cluster, reached: SshTransport, tmp_path: Path
) -> None:
    orchestrator = await orchestrator_of(cluster, reached, tmp_path / "run", 1.5)
    verdict = await orchestrator.run()
    assert verdict.result is Result.PASSED, verdict.reasons
    assert processes("r1") == []
    assert not recovery_record.kept(tmp_path / "run")
    found = history.read(tmp_path / "run" / "history.jsonl.gz")
    assert found.header.prober == "m2"
    direct = next(s for s in verdict.streams if s.stream.name == "m3 new read")
    assert direct.failed > 1


async def test_a_lost_connection_makes_the_run_void_and_undoes_the_fault(
    sshd: Sshd, cluster: Cluster, reached: SshTransport, tmp_path: Path
) -> None:
    orchestrator = await orchestrator_of(cluster, reached, tmp_path / "run", 60)
    task = asyncio.create_task(orchestrator.run())
    await until(lambda: cluster.power.is_off("m3"))
    sshd.cut()
    verdict = await task
    assert verdict.result is Result.VOID
    assert "the prober on m2 was lost: m2: the connection to" in verdict.reasons[0]
    assert not cluster.power.is_off("m3")
    assert processes("r1") == []
    assert not recovery_record.kept(tmp_path / "run")


async def test_nothing_is_left_after_the_operator_was_killed(
    sshd: Sshd, tmp_path: Path, authority: Authority, server: ApiServer
) -> None:
    config = config_of(tmp_path, authority, server)
    given = {"folder": str(sshd.folder), "port": sshd.port, "pid": sshd.pid, "run": RUN}
    operator = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("drill_operator.py")),
        stdin=subprocess.PIPE,
    )
    assert operator.stdin is not None
    operator.stdin.write(json.dumps(given).encode() + b"\n" + config.encode() + b"\n")
    operator.stdin.close()
    await until(lambda: server.requests > 60)
    assert processes()
    os.kill(operator.pid, signal.SIGKILL)
    await operator.wait()
    await until(lambda: not processes())
    # It has ended in order: it read back and deleted its namespace.
    assert server.deleted == ["/api/v1/namespaces/drill"]


async def test_a_prober_that_cannot_start_says_why(
    transport: SshTransport, tmp_path: Path, authority: Authority, server: ApiServer
) -> None:
    config = config_of(tmp_path, authority, server)
    with pytest.raises(ProberLost, match="no-such-python"):
        await measured(transport, config, server, "no-such-python")
    assert processes() == []
