"""When the real gate of nginx's masters closes: only while another API server is used instead."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from contract_balancer import ApiServer, certificate, command, heard, own_network, took, unplug

from kanae.render import nginx
from kanae.spec.models import Spec

SHELL = shutil.which("dash") or "/bin/sh"
SPEC = Spec.model_validate(
    {
        "name": "it",
        "kubernetes": "v1.37.2",
        "loadBalancer": {"kind": "nginx"},
        "hosts": {
            "lb": {"address": "10.0.0.9", "roles": ["load-balancer"]},
            "m1": {"address": "10.0.0.11", "roles": ["control-plane"]},
            "m2": {"address": "10.0.0.12", "roles": ["control-plane"]},
            "m3": {"address": "10.0.0.13", "roles": ["control-plane"]},
        },
    }
)
BOTH = Spec.model_validate(
    {
        "name": "it",
        "kubernetes": "v1.37.2",
        "endpoint": {"port": 6440},
        "loadBalancer": {"kind": "nginx"},
        "hosts": {
            "m1": {"address": "10.0.0.11", "roles": ["control-plane", "load-balancer"]},
            "m2": {"address": "10.0.0.12", "roles": ["control-plane", "load-balancer"]},
        },
    }
)

pytestmark = [
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("nft", path="/usr/sbin"),
        reason="needs nft, and root for a network of its own",
    ),
    pytest.mark.parametrize("asking", ["curl", "kubectl"], indirect=True),
]


def plug(link: str, address: str) -> None:
    command("ip", "address", "add", f"{address}/24", "dev", link)
    command("ip", "link", "set", link, "up")


class Gate:
    """The script of one master, as systemd runs it. said: what it has told so far."""

    def __init__(self, spec: Spec, host: str, programs: Path) -> None:
        self._script, self._environment = programs / f"{host}.sh", {"PATH": str(programs)}
        self._script.write_text(nginx.gate_script(spec, host))
        self.said: list[str] = []

    @contextmanager
    def watching(self) -> Generator[Gate]:
        self._run("prepare")
        with heard([SHELL, self._script, "watch"], self._listen, self._environment):
            yield self
        self._run("open")

    def comes_to_be(self, state: str) -> None:
        took(lambda: self.said[-1:] == [state], 15)

    def lasts(self) -> None:
        """Its state stays, for longer than an element does that is not renewed."""
        said = [*self.said]
        with pytest.raises(TimeoutError):
            took(lambda: self.said != said, 6)

    def _listen(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.said.append(line.strip())

    def _run(self, verb: str) -> None:
        subprocess.run([SHELL, self._script, verb], env=self._environment, check=True)


@pytest.fixture
def asking(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of all programs that the script may find."""
    if shutil.which(request.param) is None:
        pytest.skip(f"needs {request.param}")
    folder = tmp_path / "programs"
    folder.mkdir()
    for program in (request.param, "nft", "sleep", "timeout"):
        found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
        (folder / program).symlink_to(str(found))
    return folder


@dataclass
class Masters:
    """m1 with its gate, and what it knows of m2 and m3: one network has all the addresses."""

    servers: dict[str, ApiServer]
    gate: Gate

    def ready(self, **answers: int) -> None:
        for name, answer in answers.items():
            self.servers[name].readyz = answer

    def is_open(self) -> bool:
        """To a new connection of the balancer."""
        try:
            socket.create_connection(("127.0.0.1", 6443), 5, ("10.0.0.9", 0)).close()
        except ConnectionRefusedError:
            return False
        return True

    def settle(self, state: str) -> None:
        self.gate.comes_to_be(state)
        took(lambda: self.is_open() == (state == "open"), 5)


@pytest.fixture
def masters(asking: Path, tmp_path: Path) -> Generator[Masters]:
    pem = certificate(tmp_path)
    with own_network("10.0.0.9", "10.0.0.12", "10.0.0.13"):
        addresses = {"m1": "127.0.0.1", "m2": "10.0.0.12", "m3": "10.0.0.13"}
        servers = {name: ApiServer(name, address, pem) for name, address in addresses.items()}
        yield Masters(servers, Gate(SPEC, "m1", asking))
        for server in servers.values():
            server.stop()


def test_it_is_closed_while_another_is_ready_and_open_when_none_is(masters: Masters) -> None:
    masters.ready(m1=500, m2=500, m3=200)
    with masters.gate.watching():
        masters.settle("closed")
        masters.gate.lasts()
        masters.settle("closed")
        masters.ready(m3=500)
        masters.settle("open")
        masters.ready(m2=200)
        masters.settle("closed")
        masters.ready(m1=200)
        masters.settle("open")
    assert masters.is_open()


@pytest.mark.parametrize("m2", [200, 500])
def test_a_ready_one_is_open(masters: Masters, m2: int) -> None:
    masters.ready(m1=200, m2=m2)
    with masters.gate.watching():
        masters.settle("open")


def test_it_is_open_when_the_others_are_dead(masters: Masters) -> None:
    masters.ready(m1=500)
    with masters.gate.watching():
        masters.settle("closed")
        masters.servers["m2"].stop()
        unplug("10.0.0.13")
        masters.settle("open")


def test_it_stays_open_when_its_own_answer_is_late(masters: Masters) -> None:
    with masters.gate.watching():
        masters.settle("open")
        masters.servers["m1"].slow(answer=60)
        masters.gate.lasts()
        masters.settle("open")
        masters.servers["m1"].slow()


@contextmanager
def another_network() -> Generator[ThreadPoolExecutor]:
    """What this thread starts is in another network."""
    inside = ExitStack()
    with ThreadPoolExecutor(1) as thread:
        thread.submit(inside.enter_context, own_network()).result()
        try:
            yield thread
        finally:
            thread.submit(inside.close).result()


def test_gates_that_close_at_once_open_again(asking: Path, tmp_path: Path) -> None:
    """On masters that are balancers, where a closed gate resets the other one's question, too."""
    pem = certificate(tmp_path)
    m1, m2 = (Gate(BOTH, host, asking) for host in ("m1", "m2"))
    with own_network(), another_network() as there, ExitStack() as stack:
        to = str(there.submit(threading.get_native_id).result())
        command("ip", "link", "add", "m1", "type", "veth", "peer", "name", "m2", "netns", to)
        plug("m1", "10.0.0.11")
        there.submit(plug, "m2", "10.0.0.12").result()
        servers = [
            ApiServer("m1", "0.0.0.0", pem),
            there.submit(ApiServer, "m2", "0.0.0.0", pem).result(),
        ]
        for server in servers:
            stack.callback(server.stop)
        stack.enter_context(m1.watching())
        there.submit(stack.enter_context, m2.watching()).result()
        m1.comes_to_be("open")
        m2.comes_to_be("open")
        for server in servers:
            server.readyz = 500
        took(lambda: m1.said[-1] == m2.said[-1] == "open", 15)
        m1.lasts()
        m2.lasts()
        servers[0].readyz = 200
        m2.comes_to_be("closed")
        m1.comes_to_be("open")
