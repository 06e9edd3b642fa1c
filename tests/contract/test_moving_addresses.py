"""Two balancers with the real keepalived, while their virtual address moves to another one."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import pytest
from contract_balancer import inside, took
from contract_vrrp import two_hosts

from kanae.facts.model import Interface
from kanae.plan.hosts import TYPICAL
from kanae.render import keepalived
from kanae.spec.models import Spec

PROGRAM = shutil.which("keepalived", path="/usr/sbin")
ADDRESSES = {"lb1": "10.0.0.9", "lb2": "10.0.0.8"}
INTERFACES = {"lb1": "eth0", "lb2": "eth1"}
OLD, NEW = "10.0.0.100", "10.0.0.101"

pytestmark = pytest.mark.skipif(
    PROGRAM is None or os.geteuid() != 0,
    reason="needs keepalived, and root for a network of its own",
)


def spec_of(virtual: Mapping[str, object] | None, *former: Mapping[str, object]) -> Spec:
    hosts: dict[str, object] = {
        name: {"address": address, "roles": ["load-balancer"]}
        for name, address in ADDRESSES.items()
    }
    hosts["m1"] = {"address": "10.0.0.11", "roles": ["control-plane"]}
    return Spec.model_validate(
        {
            "name": "it",
            "kubernetes": "v1.37.2",
            "endpoint": {
                "former": [{"address": each["address"], "port": 6443, "vrrp": {
                    "routerId": each["routerId"]}} for each in former],
            },
            "loadBalancer": {"virtualAddress": virtual},
            "hosts": hosts,
        }
    )  # fmt: skip


A, B = {"address": OLD, "routerId": 51}, {"address": NEW, "routerId": 52}


@dataclass
class Host:
    """within: everything in its network. monitor: what `ip monitor` has told of its addresses."""

    name: str
    folder: Path
    within: Callable[[], contextlib.AbstractContextManager[None]]
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def monitor(self) -> str:
        return (self.folder / "monitor").read_text()

    def holds(self, address: str) -> bool:
        with self.within():
            shown = ("ip", "-o", "-4", "address", "show")
            return f" {address}/32 " in subprocess.run(shown, capture_output=True, text=True).stdout

    def lost(self, address: str) -> bool:
        return re.search(rf"(?m)^Deleted .* {address}/32 ", self.monitor) is not None

    def reload(self, spec: Spec) -> None:
        """Its keepalived, as its unit does it."""
        before = self.log.count("Reload complete")
        write(self.folder, spec, self.name)
        os.kill(self.process.pid, signal.SIGHUP)
        took(lambda: self.log.count("Reload complete") > before, 10)


def write(folder: Path, spec: Spec, name: str) -> None:
    """In place of the balancer's process the check finds this one."""
    pid = folder / "balancer.pid"
    pid.write_text(f"{os.getpid()}\n")
    interface = Interface(INTERFACES[name], "", (f"{ADDRESSES[name]}/24",))
    text = keepalived.config(spec, name, replace(TYPICAL, interfaces=(interface,)))
    (folder / "keepalived.conf").write_text(re.sub(r"(-F) [^\"\s]+", rf"\1 {pid}", text))


@contextlib.contextmanager
def host(
    name: str, spec: Spec, within: Callable[[], contextlib.AbstractContextManager[None]]
) -> Generator[Host]:
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write(folder, spec, name)
        command = [
            PROGRAM, "--dont-fork", "--log-console", "--vrrp",
            f"--use-file={folder}/keepalived.conf",
            f"--pid={folder}/pid", f"--vrrp_pid={folder}/vrrp.pid",
        ]  # fmt: skip
        with (folder / "log").open("wb") as log, (folder / "monitor").open("wb") as told, within():
            watch = subprocess.Popen(["ip", "-o", "-4", "monitor", "address"], stdout=told)
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield Host(name, folder, within, process)
        finally:
            for each in (process, watch):
                each.terminate()
                each.wait(20)


@pytest.fixture
def hosts() -> Generator[list[Host]]:
    def there(far: IO[str]) -> Callable[[], contextlib.AbstractContextManager[None]]:
        return lambda: inside(far)

    with (
        two_hosts(ADDRESSES["lb1"], ADDRESSES["lb2"]) as far,
        host("lb1", spec_of(A), contextlib.nullcontext) as near,
        host("lb2", spec_of(A), there(far)) as other,
    ):
        took(lambda: near.holds(OLD) or other.holds(OLD), 20)
        took(lambda: near.holds(OLD) != other.holds(OLD), 5)
        yield [near, other]


def holder(hosts: list[Host], address: str) -> list[str]:
    return [each.name for each in hosts if each.holds(address)]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    ("moving", "moved", "stays"),
    [
        (spec_of(B, A), spec_of(B), NEW),
        # Edited, and taken back.
        (spec_of(B, A), spec_of(A), OLD),
    ],
    ids=["moved", "taken-back"],
)
def test_an_address_stays_where_it_is_while_another_comes_and_one_goes(
    hosts: list[Host], moving: Spec, moved: Spec, stays: str, first: int
) -> None:
    in_turn = [hosts[first], hosts[1 - first]]
    before = holder(hosts, OLD)
    for each in in_turn:
        each.reload(moving)
        took(lambda: len(holder(hosts, NEW)) == 1, 10)
    assert holder(hosts, OLD) == before
    assert not any(each.lost(OLD) for each in hosts)
    gone = OLD if stays == NEW else NEW
    kept = holder(hosts, stays)
    lost = {each.name: each.lost(stays) for each in hosts}
    for each in in_turn:
        each.reload(moved)
        took(lambda each=each: not each.holds(gone), 5)
        assert holder(hosts, stays) == kept
    assert {each.name: each.lost(stays) for each in hosts} == lost
    for each in hosts:
        assert "invalid ip number count" not in each.log
        assert "duplicate" not in each.log.lower()
