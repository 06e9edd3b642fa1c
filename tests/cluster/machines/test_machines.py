"""Drills on hosts that are no lab's for kanae: the spec has another name than the lab they live in
and names the commands of their power. The worker is a machine with a kernel of its own.
`make machines` runs these; the tests build on each other, in the order of this file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from drilled import THRESHOLDS, assert_nothing_broken, assert_proven, drill
from machine import Machine
from made import BUILD_TIMEOUT, EXAMPLES, MASTERS, ROOMY, Cluster, kubectl_json, until, whole

from kanae.drills.cluster.power import BmcPower
from kanae.drills.faults.build import build
from kanae.drills.faults.protocol import FaultPlan, Tools
from kanae.lab.network import netns_of
from kanae.spec.load import load
from kanae.transport.fleet import Fleet

pytestmark = pytest.mark.lab

LAB = "t-metal"
NAME = "t-real"
WORKER = "server4"
# A host whose kernel is emulated is slow: after a power cut it takes seven minutes to be whole.
APPLY_TIMEOUT = 2400.0
# An emulated processor takes one of two cores. With elections of 600 ms and leases of 4 s the
# masters, on what is left, elected and started controllers anew until no API server was ready.
SLOW = """etcd: {heartbeatInterval: 500, electionTimeout: 5000}
controllerManager: {extraArgs: &leases {
  leader-elect-lease-duration: 60s, leader-elect-renew-deadline: 40s, leader-elect-retry-period: 5s,
}}
scheduler: {extraArgs: *leases}
"""
# Pods on that host take minutes to start.
BEARABLE = """
[drill.power-cut]
"new.any.gap" = 30
"kept.any.gap" = 40
"inside.new.any.longest-wait" = 30
"proof.deployment" = 600

[drill.return]
"new.any.gap" = 30
"kept.any.gap" = 40
"inside.new.any.longest-wait" = 30
"""


@dataclass
class Metal:
    """cluster: on three masters, a balancer and a client of the lab, and on the machine."""

    cluster: Cluster
    lab: Cluster
    machine: Machine

    def bmc(self, host: str) -> dict[str, list[str]]:
        if host == WORKER:
            return {action: self.machine.bmc(action) for action in ("on", "off")}
        kanae = ["env", f"XDG_STATE_HOME={self.lab.state}", *self.lab.argv("lab")]
        return {
            action: [*kanae, f"power-{word}", host, "--lab", LAB]
            for action, word in (("on", "on"), ("off", "cut"))
        }

    def write_spec(self, *powered: str) -> None:
        """With the power of these hosts."""
        text = self.lab.spec.read_text().replace(f"name: {LAB}", f"name: {NAME}")
        text += f"  {WORKER}: {{address: {self.machine.address.split('/')[0]}, roles: [worker]}}\n"
        for host in powered:
            power = json.dumps(self.bmc(host))
            text = re.sub(rf"(?m)^(  {host}: .*)\}}$", rf"\1, power: {power}}}", text)
        config = json.dumps(str(self.ssh_config))
        # While hosts beside it boot, an emulated one may take over 10 s to answer.
        text += f"ssh: {{config: {config}, connectTimeout: 45}}\n{ROOMY}{SLOW}"
        self.cluster.spec.write_text(text)

    @property
    def ssh_config(self) -> Path:
        return self.cluster.state / "kanae/clusters" / NAME / "ssh_config"

    def write_ssh_config(self) -> None:
        lab = self.lab.state / "kanae/labs" / LAB
        self.ssh_config.parent.mkdir(parents=True)
        self.ssh_config.write_text(
            f"Include {lab / 'ssh_config'}\n"
            f"Host {WORKER}\n"
            f"  HostName {self.machine.address.split('/')[0]}\n"
            "  User root\n"
            f"  IdentityFile {lab / 'id_ed25519'}\n"
            f"  UserKnownHostsFile {self.machine.path('known_hosts')}\n"
        )


@pytest.fixture(scope="module")
def metal(tmp_path_factory: pytest.TempPathFactory, alone: None) -> Iterator[Metal]:
    folder, state = tmp_path_factory.mktemp("spec"), tmp_path_factory.mktemp("state")
    text = (EXAMPLES / "reference.yaml").read_text()
    text = re.sub(rf"(?m)^  {WORKER}: .*\n", "", text)
    text = re.sub(r"(?m)^name: .*$", f"name: {LAB}", text).replace("10.77.1.", "10.78.9.")
    lab = Cluster(LAB, folder / "lab.yaml", state)
    lab.spec.write_text(text)
    machine = Machine(
        str(tmp_path_factory.mktemp("machine")), WORKER, "10.78.9.13/24", "10.78.9.1", netns_of(LAB)
    )
    made = Metal(Cluster(NAME, folder / "cluster.yaml", state), lab, machine)
    lab.kanae("artifacts", "fetch", timeout=BUILD_TIMEOUT)
    lab.kanae("lab", "up", str(lab.spec), timeout=BUILD_TIMEOUT)
    try:
        machine.build((state / "kanae/labs" / LAB / "id_ed25519.pub").read_text())
        made.write_ssh_config()
        made.write_spec("server1", "server2", "server3", WORKER)
        machine.on()
        machine.wait()
        yield made
    finally:
        machine.off()
        lab.kanae("lab", "down", LAB, "--yes")


@pytest.fixture(scope="module")
def cluster(metal: Metal) -> Cluster:
    return metal.cluster


def test_a_host_with_a_kernel_of_its_own_becomes_a_node(cluster: Cluster) -> None:
    cluster.kanae("apply", str(cluster.spec), "--yes", timeout=APPLY_TIMEOUT)
    whole(cluster)
    kernels = {
        node["metadata"]["name"]: node["status"]["nodeInfo"]["kernelVersion"]
        for node in kubectl_json(cluster, "get nodes")["items"]
    }
    assert kernels[WORKER] != kernels["server1"]
    assert cluster.on(WORKER, "stat -fc %T /sys/fs/cgroup").strip() == "cgroup2fs"


@pytest.fixture(scope="module")
def bearable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seconds are the emulation's: what is asserted of any machine remains."""
    path = tmp_path_factory.mktemp("thresholds") / "bearable.toml"
    path.write_text(THRESHOLDS.partition("[drill.")[0] + BEARABLE)
    return path


@pytest.mark.parametrize(
    ("name", "target", "signs"),
    [
        # By the command of the spec.
        ("power-cut", "server3", ("silence", "boot")),
        ("return", "server2", ("boot",)),
        ("worker-cut", WORKER, ("silence", "boot")),
        # Over SSH: systemctl, nftables, signals.
        ("power-off", "server1", ("silence", "boot")),
        ("partition", "server3", ("packets dropped",)),
        ("partition-oneway", "server2", ("packets dropped",)),
        ("pause", "server1", ("standstill", "same boot")),
        ("kill-apiserver", "server3", ("process gone",)),
        ("kill-etcd", "server2", ("process gone",)),
    ],
)
def test_a_drill_without_a_lab(
    cluster: Cluster, bearable: Path, name: str, target: str, signs: tuple[str, ...]
) -> None:
    # Through the emulated host, which drills would choose, it is the emulation that is measured:
    # its sshd lost the connection over which ten requests a second went.
    inside = next(each for each in MASTERS if each != target)
    words = ("--inside", inside, "--period", "0.5", "--steady", "9", "--after", "9")
    run = drill(cluster, name, target, bearable, 0, *words, timeout=APPLY_TIMEOUT)
    assert run["result"] == "passed"
    assert run["inside"] == inside
    assert_nothing_broken(run)
    assert_proven(run, target, *signs)


async def test_a_kernel_resets_itself_where_nothing_else_has_its_power(metal: Metal) -> None:
    metal.write_spec("server1", "server2", "server3")
    spec = load(metal.cluster.spec)
    for kind in ("cut", "off"):
        async with Fleet(spec, [WORKER]) as fleet:
            tools = Tools(spec, BmcPower(spec), fleet.__getitem__)
            fault = build(FaultPlan(kind, (WORKER,), 1), tools)
            fault.check_safe()
            await fault.prepare()
            await fault.inject()
            assert [(sign.name, sign.took) for sign in await fault.signs()] == [("silence", True)]
            await fault.undo()
            metal.machine.wait()
            assert [(s.name, s.took) for s in await fault.signs_after()] == [("boot", True)]


def test_and_is_a_node_again_afterwards(cluster: Cluster) -> None:
    # It answers by SSH while its services still start, as slowly as everything there.
    until(lambda: cluster.plan() == [], f"nothing is left to do on {WORKER}", 300.0)
    whole(cluster)
