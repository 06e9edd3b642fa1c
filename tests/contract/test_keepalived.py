"""Whom the real keepalived believes that he should have the virtual address."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO

import pytest
from contract_balancer import command, inside, took
from contract_vrrp import GROUP, PROTOCOL, advert, repeated, sending, two_hosts

from kanae.facts.model import Interface
from kanae.facts.ports import (
    Outcome,
    Port,
    close_script,
    open_script,
    parse_opened,
    parse_tried,
    try_script,
)
from kanae.plan.hosts import TYPICAL
from kanae.render import keepalived
from kanae.spec.models import Spec

PROGRAM = shutil.which("keepalived", path="/usr/sbin")
HOLDER, PEER, STRANGER, VIRTUAL, ROUTER = "10.0.0.9", "10.0.0.8", "10.0.0.66", "10.0.0.100", 77
BASE = replace(TYPICAL, interfaces=(Interface("eth0", "", (f"{HOLDER}/24",)),))
# More than any balancer's own, and that of RFC 5798's owner of the address.
PRIORITIES = (254, 255)

pytestmark = pytest.mark.skipif(
    PROGRAM is None or os.geteuid() != 0,
    reason="needs keepalived, and root for a network of its own",
)


def spec_of(*, peers: bool) -> Spec:
    hosts: dict[str, object] = {
        "lb": {"address": HOLDER, "roles": ["load-balancer"]},
        "m1": {"address": "10.0.0.11", "roles": ["control-plane"]},
    }
    if peers:
        hosts["lb2"] = {"address": PEER, "roles": ["load-balancer"]}
    virtual = {"address": VIRTUAL, "routerId": ROUTER}
    return Spec.model_validate(
        {
            "name": "it",
            "kubernetes": "v1.37.2",
            "loadBalancer": {"virtualAddress": virtual},
            "hosts": hosts,
        }
    )


def _run(script: str) -> bytes:
    return subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout


@dataclass
class Bench:
    """A balancer that holds the address. far, sender: the other end of its cable, and a socket
    that sends whole packets from there."""

    far: IO[str]
    sender: socket.socket
    log: Path

    def holds(self) -> bool:
        shown = ("ip", "-o", "-4", "address", "show", "dev", "eth0")
        return f" {VIRTUAL}/32 " in subprocess.run(shown, capture_output=True, text=True).stdout

    def loses_it(self, source: str, target: str, priority: int) -> bool:
        """Whether it gives the address away to who sends this for some time: 10 intervals."""
        packet = advert(source, target, priority, ROUTER, VIRTUAL)
        with repeated(self.sender, packet, target):
            try:
                took(lambda: not self.holds(), 2)
            except TimeoutError:
                return False
        return True


@pytest.fixture(params=[True, False], ids=["with-peers", "alone"])
def peers(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def bench(peers: bool) -> Generator[Bench]:
    assert PROGRAM is not None
    with (
        tempfile.TemporaryDirectory() as made,
        two_hosts(HOLDER, STRANGER) as far,
        sending(far, STRANGER) as sender,
    ):
        folder = Path(made)
        # In place of the balancer's process the check finds this one.
        pid = folder / "balancer.pid"
        pid.write_text(f"{os.getpid()}\n")
        text, found = re.subn(
            r"(-F) [^\"\s]+", rf"\1 {pid}", keepalived.config(spec_of(peers=peers), "lb", BASE)
        )
        assert found == 1
        config, log = folder / "keepalived.conf", folder / "log"
        config.write_text(text)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    PROGRAM, "--dont-fork", "--log-console", "--vrrp", f"--use-file={config}",
                    f"--pid={folder}/pid", f"--vrrp_pid={folder}/vrrp.pid",
                ],
                stdout=output,
                stderr=output,
            )  # fmt: skip
        try:
            found = Bench(far, sender, log)
            took(found.holds, 20)
            yield found
        finally:
            process.terminate()
            process.wait(20)


def test_the_configuration_is_taken_without_a_complaint(bench: Bench) -> None:
    said = bench.log.read_text()
    assert "deprecated" not in said
    assert "Unknown keyword" not in said
    assert "multicast" not in said


@pytest.mark.parametrize("priority", PRIORITIES)
@pytest.mark.parametrize("target", [GROUP, HOLDER], ids=["multicast", "unicast"])
def test_a_stranger_does_not_get_the_address(bench: Bench, target: str, priority: int) -> None:
    assert not bench.loses_it(STRANGER, target, priority)
    assert ("not a unicast peer" in bench.log.read_text()) is (target == HOLDER)


@pytest.mark.parametrize("peers", [True], indirect=True, ids=["with-peers"])
@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_peer_gets_it(bench: Bench, priority: int) -> None:
    assert bench.loses_it(PEER, HOLDER, priority)


@pytest.mark.parametrize("peers", [True], indirect=True, ids=["with-peers"])
def test_trying_the_way_of_its_adverts_is_nothing_to_it(bench: Bench) -> None:
    """Also from a peer: what another kanae asks before it makes that host a balancer again."""
    before, way = bench.log.read_text(), (IPv4Address(HOLDER), Port(PROTOCOL, "ip"))
    there = parse_opened(HOLDER, _run(open_script([way[1]])))
    try:
        with inside(bench.far):
            command("ip", "address", "add", f"{PEER}/24", "dev", "eth1")
            command("ip", "route", "add", f"{HOLDER}/32", "dev", "eth1", "src", PEER)
            answer = parse_tried(PEER, _run(try_script([way])))
    finally:
        _run(close_script(there.process))
    assert answer == {(HOLDER, way[1]): Outcome.ANSWERED}
    assert bench.holds()
    assert bench.log.read_text() == before
    # It still listens.
    assert bench.loses_it(PEER, HOLDER, 254)


@pytest.mark.parametrize("peers", [False], indirect=True, ids=["alone"])
def test_one_who_has_no_peers_believes_no_other_host(bench: Bench) -> None:
    assert not bench.loses_it(PEER, HOLDER, 255)


def test_the_only_peer_of_one_without_peers_cannot_be_played_from_the_network() -> None:
    """Linux drops such packets before any program sees them, also where packets to loopback
    addresses are routed, as kube-proxy has it in its old mode."""
    with two_hosts(HOLDER, STRANGER) as far, sending(far, STRANGER) as sender:
        for name in ("all", "eth0"):
            command("sysctl", "-qw", f"net.ipv4.conf.{name}.route_localnet=1")
            command("sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=0")
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOL) as raw:
            raw.settimeout(5)
            forged = (advert("127.0.0.1", HOLDER, 255, ROUTER, VIRTUAL), HOLDER)
            own_name = (advert(STRANGER, HOLDER, 255, ROUTER, VIRTUAL), HOLDER)
            # One cable keeps their order: what is seen first tells.
            for packet, target in (forged, own_name):
                sender.sendto(packet, (target, 0))
            _, (source, _) = raw.recvfrom(1500)
        assert source == STRANGER
