"""Faults against real processes of this machine, and the scripts and rules they send."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from drill_local import LocalTransport
from test_safety import spec_of

from kanae.drills.cluster.power import BmcPower, Direction, PowerCommand
from kanae.drills.faults import processes
from kanae.drills.faults.build import build
from kanae.drills.faults.network import FIND_PORT, TABLE, rules
from kanae.drills.faults.power import boot_id
from kanae.drills.faults.protocol import FaultPlan, Tools
from kanae.drills.scenarios.catalogue import DRILLS
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


@pytest.fixture
def of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """The victim is where it is: in the cgroup of this test."""
    places = {NAME: ("*",), NAME[:-2]: ("*",)}
    monkeypatch.setattr(processes, "CGROUPS", places)


@pytest.mark.usefixtures("of_the_cluster")
async def test_a_kill_hits_exactly_the_named_process(victim: subprocess.Popen[bytes]) -> None:
    fault = build(FaultPlan("kill", ("m1",), 1, process=NAME), tools(spec_of()))
    await fault.prepare()
    await fault.inject()
    await gone(victim, lambda: victim.poll() is not None)
    assert victim.returncode == -9
    signs = await fault.signs()
    assert [sign.took for sign in signs] == [True]
    assert f"pid {victim.pid}" in signs[0].detail


async def test_a_process_of_that_name_elsewhere_is_not_killed(
    victim: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "CGROUPS", {NAME: ("*/kubelet.service*",)})
    fault = build(FaultPlan("kill", ("m1",), 1, process=NAME), tools(spec_of()))
    with pytest.raises(HostError, match="no process"):
        await fault.prepare()
    with pytest.raises(StepFailed):
        await fault.inject()
    assert victim.poll() is None


@pytest.mark.usefixtures("of_the_cluster")
async def test_a_part_of_a_name_kills_nothing(victim: subprocess.Popen[bytes]) -> None:
    fault = build(FaultPlan("kill", ("m1",), 1, process=NAME[:-2]), tools(spec_of()))
    with pytest.raises(HostError, match="no process"):
        await fault.prepare()
    assert victim.poll() is None


@pytest.mark.parametrize("direction", list(Direction))
def test_partition_rules_keep_ssh_open_and_name_one_table(direction: Direction) -> None:
    text = rules(direction, {22, 2222})
    assert text.count("table inet") == 1
    assert f"table inet {TABLE}" in text
    assert ("hook input" in text) == (direction is not Direction.OUT)
    assert ("hook output" in text) == (direction is not Direction.IN)
    for line in text.splitlines():
        if "hook input" in line or "hook output" in line:
            assert "{ 22, 2222 } accept" in line
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


async def test_a_bmc_command_gets_all_but_the_sudo_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs the BMC's own, which may be in the environment."""
    monkeypatch.setenv("KANAE_SUDO_PASSWORD", "hunter22")
    monkeypatch.setenv("IPMI_PASSWORD", "calvin")
    spec = with_power(None, "true")
    command = ["sh", "-c", f"env >{tmp_path}/env"]
    power = Power(off=None, on=command)
    hosts = {**spec.hosts, "m1": spec.hosts["m1"].model_copy(update={"power": power})}
    await BmcPower(spec.model_copy(update={"hosts": hosts})).on("m1")
    text = (tmp_path / "env").read_text()
    assert "IPMI_PASSWORD=calvin" in text
    assert "hunter22" not in text


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


# What /proc/PID/cgroup holds, and of which programs of the cluster such a process may be one.
STATIC = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/cri-{}.scope"
DIGEST, UUID = "0a1b2c3d" * 4, "0a1b2c3d_0a1b_0a1b_0a1b_0a1b2c3d0a1b"
CGROUP_FILES = {
    "0::/" + STATIC.format(DIGEST, DIGEST * 2): {"kube-apiserver", "etcd"},
    f"0::/kubepods/burstable/pod{DIGEST}/{DIGEST * 2}": {"kube-apiserver", "etcd"},
    f"12:pids:/kubepods/burstable/pod{DIGEST}/{DIGEST}\n1:name=systemd:/": {
        "kube-apiserver",
        "etcd",
    },
    # A user's own etcd in a pod, or in docker; a shell of root's.
    "0::/" + STATIC.format(UUID, DIGEST * 2): set[str](),
    f"0::/kubepods/burstable/pod{UUID.replace('_', '-')}/{DIGEST}": set[str](),
    f"0::/system.slice/docker-{DIGEST * 2}.scope": set[str](),
    "0::/user.slice/user-0.slice/session-1.scope": set[str](),
    "0::/system.slice/etcd.service": {"etcd"},
    "0::/system.slice/kubelet.service": {"kubelet"},
    "0::/system.slice/containerd.service": {"containerd"},
    "0::/system.slice/my-containerd.service": set[str](),
}


def machine(folder: Path, comm: str = "any", state: str = "S") -> list[str]:
    """A /proc of one process for each of these cgroups, from 100 on."""
    for number, cgroup in enumerate(CGROUP_FILES, 100):
        place = folder / "proc" / str(number)
        place.mkdir(parents=True)
        (place / "comm").write_text(f"{comm}\n")
        (place / "cgroup").write_text(f"{cgroup}\n")
        (place / "stat").write_text(f"{number} (a b) {state} " + " ".join(map(str, range(4, 40))))
        (place / "status").write_text(f"State:\t{state} (a state)\n")
    return list(CGROUP_FILES)


class Played(LocalTransport):
    """This machine with another /proc, on which signals and systemd are only written down.

    timer: what systemd-run and the question after its timer end with.
    """

    def __init__(self, folder: Path, timer: tuple[int, int] = (0, 0)) -> None:
        self.folder = folder
        self.timer = timer

    @property
    def told(self) -> list[str]:
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        log, (run, active) = self.folder / "log", self.timer
        functions = (
            f'kill() {{ echo "kill $*" >>{log}; }}\n'
            f'systemd_run() {{ echo "systemd-run $*" >>{log}; return {run}; }}\n'
            f"systemctl() {{ case $1 in is-active) return {active} ;; esac; }}\n"
        )
        return await super().run(
            functions + self.here(script), stdin=self.here(stdin.decode()).encode(), timeout=timeout
        )

    def here(self, text: str) -> str:
        text = text.replace("systemd-run", "systemd_run")  # as a function's name may be
        return text.replace("/proc/", f"{self.folder}/proc/").replace(
            "/run/kanae", str(self.folder)
        )


@pytest.mark.parametrize("name", list(processes.CGROUPS))
async def test_a_kill_is_for_the_clusters_own_only(tmp_path: Path, name: str) -> None:
    played, spec = Played(tmp_path), spec_of()
    there = machine(tmp_path, name[:15])
    plan = FaultPlan("kill", ("m1",), 1, process=name)
    await build(plan, Tools(spec, BmcPower(spec), lambda _: played)).inject()
    killed = [there[int(line.split()[-1]) - 100] for line in played.told]
    assert killed == [cgroup for cgroup, names in CGROUP_FILES.items() if name in names]


def test_every_drill_that_kills_knows_where_its_process_is() -> None:
    killed = {scenario.process for scenario in DRILLS.values() if scenario.kind == "kill"}
    assert killed == set(processes.CGROUPS)


@pytest.mark.parametrize("timer", [(1, 0), (0, 3)])
async def test_nothing_is_stopped_before_what_lets_it_go_on_waits(
    tmp_path: Path, timer: tuple[int, int]
) -> None:
    played, spec = Played(tmp_path, timer), spec_of()
    machine(tmp_path)
    fault = build(FaultPlan("pause", ("m1",), 20), Tools(spec, BmcPower(spec), lambda _: played))
    with pytest.raises(StepFailed):
        await fault.inject()
    assert not any(line.startswith("kill") for line in played.told)


async def test_a_pause_stops_the_clusters_own_and_its_net_lets_the_same_go_on(
    tmp_path: Path,
) -> None:
    played, spec = Played(tmp_path), spec_of()
    there = machine(tmp_path)
    fault = build(FaultPlan("pause", ("m1",), 20), Tools(spec, BmcPower(spec), lambda _: played))
    await fault.inject()
    net, *stopped = played.told
    assert "--on-active=20s" in net
    # systemd reads $ in a command line in its own way.
    assert "$" not in net
    (tmp_path / "log").unlink()
    net = (tmp_path / "kanae-drill-pause.sh").read_text()
    await played.run(net.replace(str(tmp_path), ""))
    assert played.told == [line.replace("-STOP", "-CONT") for line in stopped]
    found = {there[int(line.split()[-1]) - 100] for line in stopped}
    ours = ("kubepods", "/kubelet.service", "/containerd.service", "/etcd.service")
    assert found == {cgroup for cgroup in CGROUP_FILES if any(each in cgroup for each in ours)}


async def test_a_standstill_is_seen_in_the_clusters_own_processes(tmp_path: Path) -> None:
    spec = spec_of()
    for state in "ST":
        played = Played(tmp_path / state)
        machine(tmp_path / state, state=state)
        tools = Tools(spec, BmcPower(spec), lambda _, there=played: there)
        (sign,) = await build(FaultPlan("pause", ("m1",), 20), tools).signs()
        assert sign.took == (state == "T")


async def test_a_partition_keeps_the_ports_open_by_which_the_operator_comes(
    tmp_path: Path,
) -> None:
    """The one that ssh_config says, and the one at which the session has come in."""
    config = tmp_path / "ssh_config"
    config.write_text("Host m1\n  Port 2222\n")
    spec = spec_of()
    spec = spec.model_copy(update={"ssh": spec.ssh.model_copy(update={"config": str(config)})})

    class Host(Answering):
        rules = b""

        async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
            self.rules = stdin or self.rules
            return await super().run(script, stdin=stdin, timeout=timeout)

    host = Host(answers=[b"22\n"])
    fault = build(FaultPlan("partition", ("m1",), 1), Tools(spec, BmcPower(spec), lambda _: host))
    await fault.prepare()
    await fault.inject()
    assert b"tcp dport { 22, 2222 } accept" in host.rules


def test_the_port_of_a_session_is_found_from_below_sudo() -> None:
    """sudo takes the variable from what it starts."""
    done = subprocess.run(
        ["sh", "-c", 'env -u SSH_CONNECTION sh -c "$1"; exit 0', "sh", FIND_PORT],
        env={**os.environ, "SSH_CONNECTION": "10.0.0.1 40000 10.0.0.2 2022"},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"2022\n"
