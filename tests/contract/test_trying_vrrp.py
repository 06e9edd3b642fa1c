"""VRRP between two hosts on one cable, opened and tried by the real scripts."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Generator
from ipaddress import IPv4Address
from typing import IO

import pytest
from contract_balancer import command, inside
from contract_vrrp import PROTOCOL, advert, repeated, sending, two_hosts

from kanae.facts.ports import (
    Outcome,
    Port,
    close_script,
    open_script,
    parse_opened,
    parse_tried,
    try_script,
)

NEAR, FAR, ELSEWHERE = "10.0.0.9", "10.0.0.8", "192.0.2.1"
VRRP = Port(PROTOCOL, "ip")
UDP, TCP = Port(8472, "udp"), Port(6443, "tcp")
_PYTHON = "for python in python3 /usr/libexec/platform-python"
_PERL = "command -v perl"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or any(shutil.which(program) is None for program in ("nft", "perl")),
    reason="needs nft, perl, and root for a network of its own",
)
programs = pytest.mark.parametrize("program", ["python", "perl"])


def _run(script: str, program: str) -> bytes:
    """On a host that has no other of the two programs."""
    lacking = {"python": [_PERL], "perl": [_PYTHON], "none": [_PYTHON, _PERL]}[program]
    for line in lacking:
        assert line in script
        script = script.replace(line, {_PYTHON: "for python in no-python", _PERL: "false"}[line])
    return subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout


def _at(network: IO[str] | None) -> contextlib.AbstractContextManager[None]:
    """At the near end, or in the network at the far one."""
    return contextlib.nullcontext() if network is None else inside(network)


@contextlib.contextmanager
def opened(network: IO[str] | None, program: str, *ports: Port) -> Generator[None]:
    with _at(network):
        there = parse_opened("here", _run(open_script(ports), program))
    try:
        assert there.ports == set(ports)
        yield
    finally:
        subprocess.run(["/bin/sh", "-c", close_script(there.process)], check=True)


def tried(program: str, address: str = FAR, port: Port = VRRP) -> Outcome | None:
    """None where it was left out."""
    found = parse_tried("here", _run(try_script([(IPv4Address(address), port)]), program))
    assert found is not None
    return found.get((address, port))


def rule(hook: str, verdict: str) -> None:
    chain = f"type filter hook {hook} priority 0;"
    text = f"table ip fw {{ chain {hook} {{ {chain} {verdict}; }}; }}"
    command("nft", "-f", "-", data=text)


@pytest.fixture
def far() -> Generator[IO[str]]:
    with two_hosts(NEAR, FAR) as other:
        yield other


@programs
@pytest.mark.parametrize("opener", ["python", "perl"])
def test_both_directions_are_answered_while_both_have_it_open(
    far: IO[str], opener: str, program: str
) -> None:
    with opened(far, opener, VRRP), opened(None, opener, VRRP):
        assert tried(program) is Outcome.ANSWERED
        with inside(far):
            assert tried(program, NEAR) is Outcome.ANSWERED
    assert tried(program) is Outcome.REFUSED


@programs
@pytest.mark.parametrize("end", ["near", "far"])
@pytest.mark.parametrize("hook", ["input", "output"])
def test_a_firewall_that_drops_it_at_either_end_in_either_direction_is_silence(
    far: IO[str], hook: str, end: str, program: str
) -> None:
    with opened(far, program, VRRP):
        with _at(far if end == "far" else None):
            rule(hook, f"ip protocol {PROTOCOL} drop")
        assert tried(program) is Outcome.SILENT


@programs
def test_an_answer_that_may_not_leave_leaves_the_other_ports_open(
    far: IO[str], program: str
) -> None:
    with opened(far, program, VRRP, UDP, TCP):
        with inside(far):
            rule("output", f"ip protocol {{ {PROTOCOL}, udp }} drop")
        assert tried(program) is Outcome.SILENT
        assert tried(program, port=UDP) is Outcome.SILENT
        assert tried(program, port=TCP) is Outcome.ANSWERED


@programs
@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        ("reject", Outcome.REFUSED),
        ("reject with icmp type admin-prohibited", Outcome.UNROUTED),
        ("reject with icmp type host-unreachable", Outcome.UNROUTED),
    ],
)
def test_what_a_firewall_says_is_told(
    far: IO[str], verdict: str, outcome: Outcome, program: str
) -> None:
    with opened(far, program, VRRP):
        with inside(far):
            rule("input", f"ip protocol {PROTOCOL} {verdict}")
        assert tried(program) is outcome


def test_a_firewall_that_follows_connections_lets_in_whom_its_own_host_has_sent_to(
    far: IO[str],
) -> None:
    with opened(far, "python", VRRP), opened(None, "python", VRRP):
        with inside(far):
            rule("input", f"ct state established accept; ip protocol {PROTOCOL} drop")
        assert tried("python") is Outcome.SILENT
        with inside(far):
            assert tried("python", NEAR) is Outcome.ANSWERED
        assert tried("python") is Outcome.ANSWERED


@programs
def test_a_host_without_a_way_there_says_so(far: IO[str], program: str) -> None:
    assert tried(program, ELSEWHERE) is Outcome.UNROUTED


@programs
def test_adverts_from_there_are_no_answer(far: IO[str], program: str) -> None:
    with inside(far):
        rule("input", f"ip protocol {PROTOCOL} drop")
    adverts = advert(FAR, NEAR, 255, 77, "10.0.0.100")
    with sending(far, FAR) as sender, repeated(sender, adverts, NEAR):
        assert tried(program) is Outcome.SILENT


def test_without_python_and_perl_it_is_left_out_and_nothing_else(far: IO[str]) -> None:
    with opened(far, "python", VRRP, UDP):
        assert tried("none") is None
        assert tried("none", port=UDP) is Outcome.ANSWERED
